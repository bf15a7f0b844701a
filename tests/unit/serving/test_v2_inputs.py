"""Input data: what is right becomes the same array by every way in, what is wrong is named before an engine sees it."""

import struct
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from modelwright.core.errors.calls import CallError, Malformed, TooLarge, Unprocessable
from modelwright.core.ports.engines import Array, Signature, TensorSpec
from modelwright.core.wire.v2 import RequestInput
from modelwright.serving.execution import Tensors
from modelwright.serving.v2.inputs import DTYPES, TensorsReader

NUMBERS = [name for name in DTYPES if name not in ("BYTES", "BOOL")]


def reader(*specs: tuple[str, str, tuple[int, ...]], rows: int = 64, limit: int = 1 << 20) -> TensorsReader:
    inputs = tuple(TensorSpec(name=name, datatype=datatype, shape=shape) for name, datatype, shape in specs)
    outputs = (TensorSpec(name="y", datatype="FP32", shape=(-1,)),)
    return TensorsReader(Signature(inputs=inputs, outputs=outputs, platform="test"), max_rows=rows, max_bytes=limit)


def given_input(data: Any = None, **fields: Any) -> RequestInput:
    raw = msgspec.Raw(data if isinstance(data, bytes) else msgspec.json.encode(data)) if data is not None else b""
    return RequestInput(**{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": msgspec.Raw(raw), **fields})


def binary(size: int, **fields: Any) -> RequestInput:
    return given_input(parameters={"binary_data_size": size}, **fields)


def read(item: RequestInput, *, shape: tuple[int, ...] = (-1, 2), datatype: str = "FP32", rest: bytes = b"") -> Array:
    return reader(("x", datatype, shape)).read([item], memoryview(rest)).arrays["x"]


def elements(array: Array) -> bytes:
    if array.dtype != object:
        return array.tobytes()
    return b"".join(struct.pack("<I", len(element)) + element for element in array.ravel())


values = st.sampled_from(NUMBERS).flatmap(
    lambda name: arrays.arrays(
        DTYPES[name],
        arrays.array_shapes(min_dims=1, max_dims=3, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if DTYPES[name].kind == "f" else None,
    ).map(lambda array: (name, array))
)


@given(values, st.integers(0, 7))
def test_numbers_are_the_same_by_every_way_in(value: tuple[str, Array], offset: int) -> None:
    name, array = value
    spec = {"shape": (-1, *array.shape[1:]), "datatype": name}
    fields: dict[str, Any] = {"shape": list(array.shape), "datatype": name}
    ways = [given_input(array.ravel().tolist(), **fields), given_input(array.tolist(), **fields)]
    found = [read(item, **spec) for item in ways if name != "FP16"]
    rest = memoryview(bytes(offset) + array.tobytes())[offset:]
    found.append(reader(("x", name, spec["shape"])).read([binary(array.nbytes, **fields)], rest).arrays["x"])
    for result in found:
        assert (result.dtype, result.shape) == (array.dtype, array.shape)
        assert result.tobytes() == array.tobytes()
        assert result.flags.aligned


@given(arrays.arrays(np.bool_, (2, 3)))
def test_booleans_are_the_same_by_every_way_in(array: Array) -> None:
    fields: dict[str, Any] = {"shape": [2, 3], "datatype": "BOOL"}
    for item in (given_input(array.tolist(), **fields), given_input(array.ravel().tolist(), **fields)):
        np.testing.assert_array_equal(read(item, shape=(-1, 3), datatype="BOOL"), array)
    result = read(binary(6, **fields), shape=(-1, 3), datatype="BOOL", rest=array.tobytes())
    np.testing.assert_array_equal(result, array)


@given(st.lists(st.text(max_size=5), min_size=4, max_size=4))
def test_texts_are_the_same_by_every_way_in(texts: list[str]) -> None:
    wanted = [[texts[0].encode(), texts[1].encode()], [texts[2].encode(), texts[3].encode()]]
    fields: dict[str, Any] = {"shape": [2, 2], "datatype": "BYTES"}
    array = np.array(wanted, object)
    for item in (given_input(texts, **fields), given_input([texts[:2], texts[2:]], **fields)):
        assert read(item, datatype="BYTES").tolist() == wanted
    rest = elements(array)
    assert read(binary(len(rest), **fields), datatype="BYTES", rest=rest).tolist() == wanted


def test_bytes_that_are_no_text_come_in_by_the_binary_way() -> None:
    rest = struct.pack("<I", 2) + b"\xff\x00" + struct.pack("<I", 0)
    assert read(binary(10, datatype="BYTES"), datatype="BYTES", rest=rest).tolist() == [[b"\xff\x00", b""]]


def test_not_a_number_and_infinity_come_in_by_the_binary_way() -> None:
    array = np.array([[np.nan, -np.inf]], np.float32)
    assert read(binary(8), rest=array.tobytes()).tobytes() == array.tobytes()


def test_binary_data_is_not_copied_when_it_is_aligned() -> None:
    body = memoryview(np.arange(2, dtype=np.float32).tobytes())
    result = reader(("x", "FP32", (-1, 2))).read([binary(8)], body).arrays["x"]
    assert not result.flags.owndata
    assert not result.flags.writeable


def test_scalar_and_spaces() -> None:
    assert read(given_input(b" [ 5 ] ", shape=[]), shape=()).tolist() == 5
    assert read(given_input(b"\n[\t[1 ,2]\r\n]", shape=[1, 2])).tolist() == [[1, 2]]


Case = tuple[RequestInput, str]
BAD: dict[str, Case] = {
    "unknown name": (given_input([1, 2], name="z"), "input 'z' is not one of the model's"),
    "datatype": (given_input([1, 2], datatype="FP64"), "has datatype 'FP64' (the model takes FP32 of shape [-1, 2]"),
    "datatype unknown": (given_input([1, 2], datatype="fp32"), "has datatype 'fp32'"),
    "rank": (given_input([1, 2], shape=[2]), "has 1 dimension ("),
    "fixed dimension": (given_input([1, 2, 3], shape=[1, 3]), "has size 3 in dimension 1"),
    "negative": (given_input([1, 2], shape=[-1, 2]), "has size -1 in dimension 0"),
    "both negative": (given_input([1, 2], shape=[-1, -2]), "has size -1 in dimension 0"),
    "zero rows": (given_input([], shape=[0, 2]), "has size 0 in dimension 0"),
    "beyond 64 bits": (given_input([1, 2], shape=[10**400, 2]), "more than 1048576 bytes"),
    "minus beyond 64 bits": (given_input([1, 2], shape=[-(10**400), 2]), "has size beyond 64 bits in dimension 0"),
    "too few": (given_input([1], shape=[1, 2]), "has data of 1 elements, but states shape [1, 2]"),
    "too many": (given_input([1, 2, 3]), "has data of 3 elements"),
    "nested otherwise": (given_input([[1], [2]], shape=[1, 2]), "has data of shape [2, 1]"),
    "uneven": (given_input([[1], [2, 3]], shape=[2, 2]), "rows of different lengths"),
    "too deep": (given_input([[[1, 2]]]), "is nested 3 deep"),
    "very deep": (given_input(b"[" * 500 + b"]" * 500), "is nested 500 deep"),
    "half nested": (given_input([1, [2]]), "at data[1]"),
    "no array": (given_input(b"5"), "is not an array"),
    "object": (given_input({"a": 1}), "is not an array"),
    "no data": (given_input(), "has no data"),
    "null": (given_input(b"null"), "has no data"),
    "null inside": (given_input(b"[1,null]"), "got `null` at data[1]"),
    "text inside": (given_input([1, "2"]), "got `str` at data[1]"),
    "boolean inside": (given_input([1, True]), "got `bool` at data[1]"),
    "too large a number": (given_input([1e300, 0]), "holds a number that FP32 cannot"),
    "too large nested": (given_input([[1e300, 0]]), "holds a number that FP32 cannot"),
    "far too large": (given_input(b"[1e999,0]"), "Number out of range at data[0]"),
    "size of text": (given_input(parameters={"binary_data_size": "8"}), "has binary_data_size of type str"),
    "size true": (given_input(parameters={"binary_data_size": True}), "binary_data_size True"),
    "size negative": (binary(-1), "has binary_data_size -1"),
    "size past the end": (binary(8), "has binary_data_size 8, but 0 bytes are left"),
    "size beyond 64 bits": (binary(1 << 70), "has binary_data_size beyond 64 bits"),
    "both ways": (given_input([1, 2], parameters={"binary_data_size": 0}), "both `data` and `binary_data_size`"),
    "empty binary": (binary(0), "has 0 binary bytes, its shape [1, 2] needs 8"),
}


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_wrong_input_is_named_with_problem_and_remedy(case: Case) -> None:
    item, words = case
    with pytest.raises(CallError) as caught:
        read(item)
    assert isinstance(caught.value, Malformed | TooLarge)
    assert words in f"{caught.value.message} ({caught.value.hint})"
    assert caught.value.message.startswith("input '")
    assert caught.value.hint
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("datatype", "data", "words"),
    [
        ("INT8", [128, 0], "holds a number that INT8 cannot"),
        ("UINT8", [-1, 0], "holds a number that UINT8 cannot"),
        ("UINT64", [2**64, 0], "holds a number that UINT64 cannot"),
        ("INT64", [2**63, 0], "holds a number that INT64 cannot"),
        ("INT64", [1.0, 0], "got `float` at data[0]"),
        ("INT32", [True, 0], "got `bool` at data[0]"),
        ("BOOL", [1, 0], "got `int` at data[0]"),
        ("BYTES", [b"".decode(), 1], "got `int` at data[1]"),
        ("FP16", [1, 2], "FP16, which JSON cannot carry"),
    ],
)
def test_number_must_fit_its_datatype(datatype: str, data: list[Any], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(given_input(data, datatype=datatype), datatype=datatype)
    assert words in caught.value.message
    assert datatype in f"{caught.value.message} {caught.value.hint}"


def test_rows_of_texts_are_of_equal_length() -> None:
    with pytest.raises(Malformed, match="rows of different lengths"):
        read(given_input([["a"], ["b", "c"]], shape=[2, 1], datatype="BYTES"), datatype="BYTES", shape=(-1, 1))


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (b"\x05\0\0\0abc", "ends inside an element"),
        (b"\x01\0\0", "ends inside an element"),
        (b"\xff\xff\xff\xff", "ends inside an element"),
        (b"\x01\0\0\0a", "has 1 elements, its shape needs 2"),
        (b"\x00\0\0\0" * 3, "has 3 elements, its shape needs 2"),
        (b"\x00\0\0\0" * 4, "has more than 2 elements, its shape needs 2"),
    ],
)
def test_elements_of_bytes_must_fit(rest: bytes, words: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(binary(len(rest), datatype="BYTES"), datatype="BYTES", rest=rest)
    assert words in caught.value.message


def test_texts_in_json_must_be_utf8() -> None:
    item = RequestInput("x", [1], "BYTES", data=msgspec.Raw(b'["\xe9"]'))
    with pytest.raises(Malformed, match="'x' is not UTF-8"):
        read(item, shape=(-1,), datatype="BYTES")


def test_boolean_bytes_are_zero_or_one() -> None:
    with pytest.raises(Malformed, match="bytes other than 0 and 1"):
        read(binary(2, datatype="BOOL"), datatype="BOOL", rest=b"\x01\x02")


def test_shared_memory_is_not_offered() -> None:
    with pytest.raises(Unprocessable, match="shared memory"):
        read(given_input(parameters={"shared_memory_region": "r"}))


TWO = (("x", "FP32", (-1, 2)), ("mask", "INT64", (-1,)))


def two(x: list[Any], mask: list[Any]) -> list[RequestInput]:
    return [
        given_input(x, shape=[len(x), 2]),
        RequestInput("mask", [len(mask)], "INT64", data=msgspec.Raw(msgspec.json.encode(mask))),
    ]


def test_several_inputs_in_any_order() -> None:
    items = two([[1, 2], [3, 4]], [5, 6])
    for order in (items, items[::-1]):
        tensors = reader(*TWO).read(order, memoryview(b""))
        assert (tensors.rows, tensors.nbytes) == (2, 32)
        assert tensors.arrays["mask"].tolist() == [5, 6]


def test_binary_inputs_follow_in_the_order_given() -> None:
    mask = RequestInput("mask", [1], "INT64", {"binary_data_size": 8})
    rest = struct.pack("<qff", 7, 1, 2)
    tensors = reader(*TWO).read([mask, binary(8)], memoryview(rest))
    assert tensors.arrays["mask"].tolist() == [7]
    assert tensors.arrays["x"].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([], "input 'x' is missing (send all of x, mask)"),
        (two([[1, 2]], [1])[:1], "input 'mask' is missing"),
        ([*two([[1, 2]], [1]), given_input([1, 2])], "input 'x' is given twice"),
        (two([[1, 2], [3, 4]], [1]), "input 'mask' has 1 rows, input 'x' has 2"),
        (two([[1, 2]] * 5, [1] * 5), "input 'x' has 5 rows, at most 4 are taken at once"),
    ],
)
def test_inputs_must_agree(items: list[RequestInput], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        reader(*TWO, rows=4).read(items, memoryview(b""))
    assert words in f"{caught.value.message} ({caught.value.hint})"


def test_bytes_behind_the_last_tensor_are_refused() -> None:
    with pytest.raises(Malformed, match="1 bytes follow the last tensor"):
        read(binary(8), rest=bytes(9))


def test_requests_of_other_shapes_are_not_joined() -> None:
    free = reader(("x", "FP32", (-1, -1)))

    def tensors(shape: list[int]) -> Tensors:
        return free.read([given_input([0] * (shape[0] * shape[1]), shape=shape)], memoryview(b""))

    assert tensors([1, 2]).key == tensors([3, 2]).key
    assert tensors([1, 2]).key != tensors([1, 3]).key


def test_model_without_batch_takes_its_shape_only() -> None:
    fixed = reader(("x", "FP32", (3, 2)))
    assert fixed.read([given_input([[0, 0]] * 3, shape=[3, 2])], memoryview(b"")).rows == 1
    with pytest.raises(Malformed, match="has size 1 in dimension 0"):
        fixed.read([given_input([0, 0])], memoryview(b""))


hostile = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=12,
)


@given(
    st.sampled_from(list(DTYPES)),
    st.lists(st.integers(-3, 5) | st.integers(), max_size=4),
    hostile,
    st.binary(max_size=40),
    st.none() | st.integers(-2, 50) | st.integers() | st.text(max_size=2),
)
def test_any_input_is_read_or_refused(
    datatype: str, shape: list[int], data: Any, rest: bytes, size: int | str | None
) -> None:
    parameters = None if size is None else {"binary_data_size": size}
    raw = msgspec.Raw(msgspec.json.encode(data)) if size is None else msgspec.Raw(b"")
    item = RequestInput("x", shape, datatype, parameters, raw)
    try:
        tensors = reader(("x", datatype, (-1, 2))).read([item], memoryview(rest))
    except CallError as error:
        refused = error
    else:
        assert list(tensors.arrays["x"].shape) == shape
        return
    assert refused.hint
    assert len(str(refused)) < 500
