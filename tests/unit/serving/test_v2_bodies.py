"""Bodies that are no plain V2 request: one tensor's bytes alone, and compressed ones, within their bounds."""

import asyncio
import gzip
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.errors.calls import CallError, Malformed, Stopped, TooLarge, Unprocessable
from modelwright.core.ports.engines import Signature, TensorSpec
from modelwright.core.wire.bodies.packed import SMALL, read_coding, unpack
from modelwright.serving.batching import Limits
from modelwright.serving.v2.arriving import ALIGNED, read_binary
from modelwright.serving.v2.raw import raw_request
from tests.unit.serving.v2_client import Make, ask, body

BYTES_ALONE = {"inference-header-content-length": "0"}


async def test_bytes_alone_are_rows_of_the_only_input_and_answered_as_bytes(make: Make) -> None:
    x = np.array([[1, 2], [3, 4], [5, 6]], "<f4")
    told = await ask(await make(), x.tobytes(), headers=BYTES_ALONE)
    assert told.status == 200
    head = int(told.headers[b"inference-header-content-length"])
    assert b'"shape":[3,2]' in told.body[:head]
    assert told.body[head:] == (2 * x).tobytes() + x.sum(axis=1).tobytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "0 binary bytes, its shape [1, 2] needs 8"), (b"x" * 9, "9 binary bytes, its shape [1, 2] needs 8")],
)
async def test_bytes_that_are_no_whole_rows_are_refused(make: Make, content: bytes, words: str) -> None:
    told = await ask(await make(), content, headers=BYTES_ALONE)
    assert told.status == 400
    assert words in told.error


def signature(*inputs: tuple[str, tuple[int, ...]], output: tuple[int, ...] = (-1,)) -> Signature:
    specs = [TensorSpec(name=f"x{at}", datatype=kind, shape=shape) for at, (kind, shape) in enumerate(inputs)]
    taken = TensorSpec(name="y", datatype="FP32", shape=output)
    return Signature(inputs=tuple(specs), outputs=(taken,), platform="test")


@pytest.mark.parametrize(
    ("shape", "size", "found"),
    [((-1, 2), 16, [2, 2]), ((-1, 2, -1), 24, [1, 2, 3]), ((2, 3), 24, [2, 3]), ((), 4, []), ((-1,), 12, [3])],
)
def test_shape_is_told_by_the_signature_and_the_size(shape: tuple[int, ...], size: int, found: list[int]) -> None:
    request, rest = raw_request(signature(("FP32", shape)), bytes(size))
    assert request.inputs[0].shape == found
    assert len(rest) == size


def test_an_element_of_bytes_is_the_whole_body() -> None:
    request, rest = raw_request(signature(("BYTES", (-1, 1))), b"picture")
    assert request.inputs[0].shape == [1, 1]
    assert bytes(rest) == b"\x07\0\0\0picture"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([("FP32", (-1, 2)), ("FP32", (-1,))], "the model takes x0, x1"),
        ([("FP32", (-1, -1, -1))], "leaves 3 dimensions free"),
    ],
)
def test_shape_that_cannot_be_told_is_asked_for(inputs: list[tuple[str, tuple[int, ...]]], words: str) -> None:
    with pytest.raises(Malformed) as caught:
        raw_request(signature(*inputs), b"")
    assert words in caught.value.message
    assert "inference-header-content-length" in caught.value.hint


@pytest.mark.parametrize("coding", ["gzip", "deflate", "GZIP", "identity"])
async def test_compressed_bodies_are_read(make: Make, coding: str) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}.get(coding.lower(), bytes)
    told = await ask(await make(), pack(body(1, 2)), headers={"content-encoding": coding})
    assert told.first_column() == [2, 4]


async def test_large_ones_are_unpacked_beside_the_loop(make: Make) -> None:
    door = await make(limits=Limits(queue_rows=40_000))
    values = np.random.default_rng(0).normal(size=30_000).tolist()
    content = gzip.compress(body(*values))
    assert len(content) > SMALL
    told = await ask(door, content, headers={"content-encoding": "gzip"})
    assert told.first_column()[0] == np.float32(2 * np.float32(values[0]))


async def test_a_bomb_is_refused_at_the_bound(make: Make) -> None:
    door = await make(max_body=10_000)
    bomb = gzip.compress(bytes(1 << 20))
    assert len(bomb) < 2000
    told = await ask(door, bomb, headers={"content-encoding": "gzip", "content-length": str(len(bomb))})
    assert (told.status, "larger than 10000 bytes" in told.error) == (413, True)


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", Malformed, "it ends too soon"),
        (zlib.compress(b"abc")[:-1], Malformed, "it ends too soon"),
        (zlib.compress(b"abc") + b"x", Malformed, "1 bytes follow its end"),
        (b"plain", Malformed, "not deflate"),
        (zlib.compress(b"abcd"), TooLarge, "larger than 3 bytes"),
    ],
)
def test_what_cannot_be_unpacked_is_named(content: bytes, kind: type[CallError], words: str) -> None:
    assert unpack(zlib.compress(b"abc"), b"deflate", limit=3) == b"abc"
    with pytest.raises(kind) as caught:
        unpack(content, b"deflate", limit=3)
    assert words in caught.value.message


def test_other_codings_are_not_taken() -> None:
    assert (read_coding(b" Deflate "), read_coding(b"identity")) == (b"deflate", b"")
    with pytest.raises(Unprocessable, match="'br' is not taken"):
        read_coding(b"br")


async def test_names_of_classes_are_told(make: Make) -> None:
    door = await make(labels=("no", "yes"))
    wish = [{"name": "y", "parameters": {"classification": 1}}]
    told = await ask(door, body(1, outputs=wish))
    assert told.json["outputs"][0]["data"] == ["2.000000:0:no"]
    config = (await ask(door, method="GET", path="/v2/models/toy/config")).json
    assert [output["label_filename"] for output in config["output"]] == ["labels", "labels"]


@given(head=st.integers(1, 200), tail=st.integers(0, 100))
def test_tensors_of_a_large_body_lie_where_arrays_may(head: int, tail: int) -> None:
    content = bytes(range(100)) * 3

    async def into(memory: memoryview) -> bool:
        memory[:] = content[: head + tail]
        return True

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": True, "modelwright.into": into}

    found = asyncio.run(read_binary(receive, limit=1000, stated=head + tail, head=head))
    assert isinstance(found, memoryview)
    assert found.readonly
    assert found == content[: head + tail]
    assert not tail or np.frombuffer(found[head:], np.uint8).ctypes.data % ALIGNED == 0


async def test_a_large_body_is_refused_before_there_is_memory_for_it() -> None:
    async def receive() -> Any:
        raise AssertionError("nothing is read of it")

    with pytest.raises(TooLarge):
        await read_binary(receive, limit=1000, stated=1001, head=10)


async def test_a_client_that_leaves_a_large_body_is_told_of() -> None:
    async def into(_memory: memoryview) -> bool:
        return False

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": True, "modelwright.into": into}

    with pytest.raises(Stopped):
        await read_binary(receive, limit=1000, stated=100, head=10)
