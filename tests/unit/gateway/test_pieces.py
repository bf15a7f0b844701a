"""The pieces of a class of the user's on their way through the gateway: as events or as lines, however they are cut."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.errors.calls import EngineFailed
from modelwright.core.wire.openai import error_body
from tests.unit.gateway.test_stream import cut
from tests.unit.gateway.world import Heard, World, answers, snapshot, streams

PIECES = (b'"a"', b'{"error": {"message": "mine"}}', b'{"usage": {"prompt_tokens": 1}}', b'"data: [DONE]"')
EVENTS = b"".join(b"data: " + piece + b"\n\n" for piece in PIECES)
MACHINE = b"event: machine\ndata: 1234\n\n"
DONE = b"data: [DONE]\n\n"
FAILED = b"event: error\ndata: " + error_body(EngineFailed("model 'digits' failed")) + b"\n\n"


def asked(*pieces: bytes | float, accept: str = "text/event-stream", whole: bool = True) -> tuple[World, Heard]:
    digits = msgspec.structs.replace(snapshot().endpoints[1], operations=("infer", "predict"))
    world = World([streams(*pieces, whole=whole)], endpoints=(digits,))
    return world, asyncio.run(world.ask({"x": 1}, path="/predict/digits", headers={"accept": accept}))


@given(st.lists(st.integers(0, 400), max_size=8))
def test_events_pass_as_they_are_whatever_they_hold(points: list[int]) -> None:
    world, heard = asked(*cut(EVENTS + MACHINE + DONE, points))
    assert (heard.status, heard.body, heard.ended) == (200, EVENTS + DONE, True)
    row = world.ledger.lines[-1]
    assert (row.outcome, row.operation, row.stream, row.machine_us) == ("ok", "predict", True, 1234)


@given(st.lists(st.integers(0, 400), max_size=8), st.sampled_from(["application/jsonl", "application/x-ndjson"]))
def test_lines_are_the_same_pieces(points: list[int], accept: str) -> None:
    _, heard = asked(*cut(EVENTS + MACHINE + DONE, points), accept=accept)
    assert (heard.status, heard.headers["content-type"]) == (200, "application/jsonl")
    assert heard.body == b"".join(piece + b"\n" for piece in PIECES)


@pytest.mark.parametrize(
    ("accept", "begin"), [("text/event-stream", b"event: error\ndata: "), ("application/jsonl", b"")]
)
def test_a_failure_after_the_first_piece_is_told_in_the_stream(accept: str, begin: bytes) -> None:
    world, heard = asked(EVENTS, FAILED, accept=accept)
    last = heard.parts[-2] if not heard.parts[-1] else heard.parts[-1]
    assert last.startswith(begin)
    assert msgspec.json.decode(last.removeprefix(begin))["error"]["code"] == "engine_failed"
    assert world.outcomes() == ["intent", "engine_failed"]


def test_a_failure_before_the_first_piece_has_its_status() -> None:
    world, heard = asked(FAILED)
    assert (heard.status, heard.error["code"]) == (500, "engine_failed")
    assert world.outcomes() == ["intent", "engine_failed"]


def test_a_stream_without_an_end_mark_was_cut() -> None:
    _, heard = asked(EVENTS)
    assert b"model_unavailable" in heard.body


def test_the_worker_is_asked_in_the_clients_form_and_for_events() -> None:
    digits = msgspec.structs.replace(snapshot().endpoints[1], operations=("infer", "predict"))
    world = World([streams(EVENTS + DONE), answers(b"{}")], endpoints=(digits,))
    kind = "multipart/form-data; boundary=X"
    for accept in ("application/jsonl", "application/json"):
        asyncio.run(world.ask(b"--X--", path="/predict/digits", headers={"accept": accept, "content-type": kind}))
    first, second = (dict(request.headers) for request in world.upstream.requests)
    assert (first[b"content-type"], first[b"accept"]) == (kind.encode(), b"text/event-stream")
    assert second[b"content-type"] == kind.encode()
    assert b"accept" not in second
    assert {request.target for request in world.upstream.requests} == {"/predict/digits"}
