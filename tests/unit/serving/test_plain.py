"""Plain requests: forms, places, and named inputs of a tensor model, one item or a list of items."""

import asyncio
import contextlib
import io
from concurrent.futures import Future
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from modelwright.adapters.engines.pictures import pixels
from modelwright.core.errors.calls import CallError, EngineFailed, Malformed, Overloaded, Unprocessable
from modelwright.core.ports.engines import Part, Signature, TensorSpec
from modelwright.serving.plain.forms import given as given_of
from modelwright.serving.plain.places import Places
from modelwright.serving.plain.tensors import PlainTensors
from modelwright.serving.v2.inputs import TensorsReader


def plain(*specs: tuple[str, str, tuple[int, ...]], outputs: Any = ()) -> PlainTensors:
    inputs = tuple(TensorSpec(name=name, datatype=datatype, shape=shape) for name, datatype, shape in specs)
    given_outputs = tuple(TensorSpec(name=name, datatype=datatype, shape=shape) for name, datatype, shape in outputs)
    signature = Signature(inputs=inputs, outputs=given_outputs, platform="toy")
    return PlainTensors(signature, TensorsReader(signature, max_rows=8, max_bytes=1 << 20), decode=pixels)


def test_a_text_that_is_not_utf8_is_the_caller_s_fault() -> None:
    with pytest.raises(Malformed, match="'t' is not UTF-8") as caught:
        plain(("t", "BYTES", (-1,))).read(b'{"t": ["abc", "\xe9"]}', [])
    assert caught.value.param == "t"


def form(*parts: tuple[str, str, bytes], end: bool = True) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    lines = [
        b'--X\r\nContent-Disposition: form-data; name="%b"%b\r\nContent-Type: image/png\r\n\r\n%b\r\n'
        % (name.encode(), f'; filename="{file}"'.encode() if file else b"", data)
        for name, file, data in parts
    ]
    return b"".join(lines) + (b"--X--\r\n" if end else b""), [(b"content-type", b'multipart/form-data; boundary="X"')]


X = ("x", "FP32", (-1, 2))


@pytest.mark.parametrize(
    ("specs", "body", "single", "shapes"),
    [
        ([X], b'{"x": [1, 2]}', True, {"x": (1, 2)}),
        ([X], b'{"x": [[1, 2], [3, 4]]}', False, {"x": (2, 2)}),
        ([X, ("y", "INT64", (-1,))], b'{"y": 3, "x": [1, 2]}', True, {"x": (1, 2), "y": (1,)}),
        ([X, ("y", "INT64", (-1,))], b'{"y": [3, 4], "x": [[1, 2], [1, 2]]}', False, {"x": (2, 2), "y": (2,)}),
        ([("t", "BYTES", (-1,))], b'{"t": "hello"}', True, {"t": (1,)}),
        ([("f", "FP16", (-1, 1))], b'{"f": [[0.5]]}', False, {"f": (1, 1)}),
        ([("a", "FP32", (2, 2))], b'{"a": [[1, 2], [3, 4]]}', False, {"a": (2, 2)}),
        ([("s", "FP32", ())], b'{"s": 3}', False, {"s": ()}),
    ],
)
def test_nesting_says_the_shape(specs: Any, body: bytes, single: bool, shapes: Any) -> None:  # noqa: FBT001
    found, tensors = plain(*specs).read(body, [])
    assert found is single
    assert {name: array.shape for name, array in tensors.arrays.items()} == shapes


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"x": [1, 2], "y": [3]}', "'x' is one item, input 'y' a list"),
        (b'{"x": [1, 2]}', "'y' is missing"),
        (b'{"x": [1], "y": 3}', "size 1 in dimension 1"),
        (b'{"x": [[[1, 2]]], "y": 3}', "nested 3 deep"),
        (b'{"x": [1, 2], "y": 3, "z": 1}', "'z' is not one"),
        (b'{"x": [1, 2], "y": 1e400}', "holds a wrong element"),
        (b'{"x": [1, 2], "y": 99999999999999999999}', "holds a"),
        (b'{"x": [1, 2], "y": "3"}', "holds a wrong element"),
        (b'{"x": %b, "y": 3}' % (b"[" * 100_000), "not valid JSON|nested"),
        (b'{"x": [[1, 2]], "y": [3, 4]}', "rows"),
        (b'{"x": [%b[1, 2]], "y": [%b3]}' % (b"[1, 2]," * 8, b"3," * 8), "at most 8"),
        (b"3", "no JSON object"),
        (b"\xff", "not valid JSON"),
        (b"", "not valid JSON"),
    ],
)
def test_what_does_not_fit_is_named(body: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        plain(X, ("y", "INT64", (-1,))).read(body, [])


@given(
    st.binary(max_size=80)
    | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(lambda x: msgspec.json.encode({"x": x}))
)
def test_no_body_does_anything_but_fit_or_fail(body: bytes) -> None:
    for spec in (X, ("x", "BYTES", (-1,)), ("x", "INT8", (-1, -1, 3)), ("x", "BOOL", ())):
        with contextlib.suppress(CallError):
            plain(spec).read(body, [])


def test_answers_have_the_form_of_the_request() -> None:
    writer = plain(X, outputs=[("y", "FP32", (-1, 2)), ("t", "BYTES", (-1,))])
    arrays = {"y": np.array([[1, np.nan]], np.float32), "t": np.array([b"ja"], object)}
    assert writer.write(arrays, single=True)[1] == b'{"y":[1.0,null],"t":"ja"}'
    assert writer.write(arrays, single=False)[1] == b'{"y":[[1.0,null]],"t":["ja"]}'
    with pytest.raises(Unprocessable, match="no text"):
        writer.write({"t": np.array([b"\xff"], object)}, single=True)


def test_pictures_and_files_come_as_parts_of_a_form() -> None:
    image = io.BytesIO()
    Image.new("RGBA", (3, 2), (255, 0, 0, 128)).save(image, "PNG")
    reader = plain(("p", "UINT8", (-1, -1, -1, 3)), ("b", "BYTES", (-1,)))
    single, tensors = reader.read(*form(("p", "p.png", image.getvalue()), ("b", "b.wav", b"\x00")))
    assert single
    assert tensors.arrays["p"].shape == (1, 2, 3, 3)
    assert tensors.arrays["p"][0, 0, 0].tolist() == [255, 0, 0]
    assert tensors.arrays["b"].tolist() == [b"\x00"]
    both = [("p", "p.png", image.getvalue()), ("b", "b", b"1")] * 2
    assert reader.read(*form(*both))[1].rows == 2
    assert reader.described.files == ("p", "b")


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ([("p", "p.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")], "none of PNG, JPEG"),
        ([("p", "p.png", b"no image")], "none of PNG, JPEG"),
        ([("p", "p.png", b"\x89PNG\r\n\x1a\n" + bytes(20))], "image"),
        ([("q", "q", b"")], "'q' is not one"),
        ([("p", "", b"[1"), ("p", "", b"[1")], "given twice"),
    ],
)
def test_parts_that_do_not_fit_are_named(parts: Any, words: str) -> None:
    with pytest.raises(CallError, match=words):
        plain(("p", "UINT8", (-1, -1, -1, 3))).read(*form(*parts))


def test_a_tensor_that_no_file_holds_is_named() -> None:
    with pytest.raises(Unprocessable, match="no file holds"):
        plain(X).read(*form(("x", "x.bin", b"")))


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (form(("a", "", b"1"), end=False)[0], b"multipart/form-data; boundary=X", "cut short"),
        (b"", b"multipart/form-data; boundary=X", "cut short"),
        (b"--Y--", b"multipart/form-data; boundary=X", "cannot be read"),
        (b"--X--", b"multipart/form-data", "no boundary"),
        (b"--X\r\nA: b\r\n\r\n1\r\n--X--\r\n", b"multipart/form-data; boundary=X", "has no name"),
        (form(*[("a", "", b"1")] * 1001)[0], b"multipart/form-data; boundary=X", "more than 1000 parts"),
    ],
)
def test_a_form_that_cannot_be_read_is_told(body: bytes, content_type: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        given_of(body, [(b"content-type", content_type)])


@given(st.binary(max_size=200))
def test_no_form_does_anything_but_come_or_fail(body: bytes) -> None:
    with contextlib.suppress(Malformed):
        given_of(body.replace(b"\n", b"\r\n--X"), [(b"content-type", b"multipart/form-data; boundary=X")])


def test_a_form_is_read_as_its_parts() -> None:
    body, headers = form(("a", "", b"1"), ("b", "b.png", b"\r\n--X"))
    assert given_of(body.replace(b"\r\n--X\r\n--X--", b"2\r\n--X--"), headers) == [
        Part(name="a", data=b"1", content_type="image/png"),
        Part(name="b", data=b"2", filename="b.png", content_type="image/png"),
    ]
    assert given_of(b"{}", [(b"content-type", b"application/x-www-form-urlencoded")]) == b"{}"


def places(*, queue: int = 1, seconds: float = 60.0, on_hung: Any = print) -> Places:
    return Places(1, queue=queue, seconds=seconds, one_loop=False, model="m", on_hung=on_hung, patience=0.01)


async def test_places_are_bounded_and_taken_in_the_order_of_coming() -> None:
    found = places(queue=2)
    first = await found.take()
    waiting = [asyncio.ensure_future(found.take()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded) as caught:
        await found.take()
    assert caught.value.retry_after
    first.leave()
    second = await waiting[0]
    assert not waiting[1].done()
    waiting[1].cancel()
    second.leave()
    assert (await asyncio.gather(*waiting, return_exceptions=True))[0] is second
    assert (found.taken, found.waiting) == (0, 0)


async def test_a_place_is_free_when_the_call_has_ended_not_when_its_client_has() -> None:
    found = places()
    step: Future[int] = Future()
    step.set_running_or_notify_cancel()
    seat = await found.take()
    waiting = asyncio.ensure_future(seat.wait(step))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    seat.leave()
    assert found.taken == 1
    step.set_result(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert found.taken == 0


async def test_a_call_that_does_not_end_is_told_of() -> None:
    hung: list[str] = []
    told = asyncio.Event()
    found = places(seconds=0.01, on_hung=lambda problem: (hung.append(problem), told.set()))
    step: Future[int] = Future()
    step.set_running_or_notify_cancel()
    seat = await found.take()
    with pytest.raises(EngineFailed, match="did not answer within"):
        await seat.wait(step)
    seat.leave()
    await told.wait()
    assert "1 calls have not ended" in hung[0]
