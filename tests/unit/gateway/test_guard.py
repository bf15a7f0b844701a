import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.guard import EndpointGuard, GuardSide
from modelwright.core.contracts.snapshot import Endpoint
from modelwright.core.errors.calls import GuardBlocked
from modelwright.core.ports.guards import Ask, MakeGuard, Watch
from tests.unit.gateway.world import ANSWER, DONE, FINISH, ROLE, World, answers, chunk, snapshot, streams

QUESTION = {"model": "chat", "messages": [{"role": "user", "content": "I am bob@example.com"}]}
STREAM = {**QUESTION, "stream": True}
MASK, BLOCK = GuardSide(pii="mask"), GuardSide(pii="block")


def guarded(**rules: Any) -> tuple[Endpoint, ...]:
    chat, *others = snapshot().endpoints
    return (msgspec.structs.replace(chat, guard=EndpointGuard(**rules)), *others)


class Broken:
    """A guard with a defect, at one of its verbs."""

    def __init__(self, at: str, *, fails_open: bool = False) -> None:
        self.fails_open = fails_open
        self.verdicts: dict[str, str] = {}
        self.looks_back = True
        self.weighs = False
        self._at = at

    def watch(self, operation: str, ask: Ask) -> Watch:
        return Broken(self._at)

    async def question(self, body: bytes) -> bytes:
        return self._pass("question", body)

    def told(self, system: Callable[[], str]) -> None:
        pass

    async def answer(self, body: bytes) -> bytes:
        return self._pass("answer", body)

    def events(self, events: bytes) -> bytes:
        return self._pass("events", events)

    async def weighed(self, events: bytes, *, last: bool) -> bytes:
        return events

    def unjudged(self, events: bytes) -> bytes:
        return events

    def stopped(self) -> bytes:
        return b""

    def _pass(self, verb: str, content: bytes) -> bytes:
        if self._at == verb:
            raise IndexError(content)
        return content


def broken(at: str, *, fails_open: bool = False) -> MakeGuard:
    return lambda _: Broken(at, fails_open=fails_open)


async def test_a_request_goes_on_masked_and_the_row_says_so() -> None:
    world = World([answers()], endpoints=guarded(input=MASK))
    heard = await world.ask(QUESTION)
    assert heard.status == 200
    assert b"bob@" not in world.upstream.requests[0].body
    assert b"I am [EMAIL]" in world.upstream.requests[0].body
    assert heard.headers["x-modelwright-guards"] == "input.email=mask:1"
    assert [line.guards for line in world.ledger.lines] == [{"input.email": "mask:1"}] * 2
    assert heard.body == ANSWER


async def test_a_blocked_request_is_answered_400_and_nobody_is_asked() -> None:
    world = World([], endpoints=guarded(input=BLOCK))
    heard = await world.ask(QUESTION)
    assert (heard.status, heard.error["code"], heard.error["param"]) == (400, "guard_blocked", "messages[0].content")
    assert "bob" not in heard.body.decode()
    (row,) = world.ledger.lines
    assert (row.outcome, row.error, row.guards) == ("guard_blocked", "guard_blocked", {"input.email": "block:1"})


async def test_a_whole_answer_leaves_masked() -> None:
    world = World([answers(ANSWER.replace(b"Hi", b"a@b.io"))], endpoints=guarded(output=MASK))
    heard = await world.ask(QUESTION)
    assert heard.body == ANSWER.replace(b"Hi", b"[EMAIL]")
    assert heard.headers["content-length"] == str(len(heard.body))
    assert world.ledger.lines[-1].guards == {"output.email": "mask:1"}


async def test_a_whole_answer_is_blocked() -> None:
    world = World([answers(ANSWER.replace(b"Hi", b"a@b.io"))], endpoints=guarded(output=BLOCK))
    heard = await world.ask(QUESTION)
    assert (heard.status, heard.error["code"]) == (400, "guard_blocked")
    row = world.ledger.lines[-1]
    assert (row.outcome, row.output_tokens, row.guards) == ("guard_blocked", 4, {"output.email": "block:1"})


async def test_a_stream_leaves_masked_and_whole() -> None:
    world = World([streams(ROLE, chunk("a@b"), chunk(".io "), FINISH, DONE)], endpoints=guarded(output=MASK))
    heard = await world.ask(STREAM)
    assert b"[EMAIL] " in heard.body
    assert b"a@b" not in heard.body
    assert heard.body.endswith(DONE)
    assert heard.ended
    assert world.ledger.lines[-1].outcome == "ok"


async def test_a_blocked_stream_ends_with_the_filter_and_an_error_and_its_upstream_is_closed() -> None:
    world = World(
        [streams(ROLE, chunk("see a@b.io "), chunk("never"), 5.0, FINISH, DONE)], endpoints=guarded(output=BLOCK)
    )
    heard = await world.ask(STREAM)
    events = [json.loads(event[6:]) for event in heard.body.split(b"\n\n") if event]
    assert events[-2]["choices"][0]["finish_reason"] == "content_filter"
    assert events[-1]["error"]["code"] == "guard_blocked"
    assert b"DONE" not in heard.body
    assert b"a@b" not in heard.body
    assert heard.ended
    row = world.ledger.lines[-1]
    assert (row.outcome, row.status, row.guards) == ("guard_blocked", 200, {"output.email": "block:1"})
    assert world.upstream.given_up == 1


async def test_a_stream_that_fails_says_what_was_held_and_then_why() -> None:
    world = World([streams(ROLE, chunk("Hello wor"), whole=False)], endpoints=guarded(output=MASK))
    heard = await world.ask(STREAM)
    assert heard.body.index(b'"wor"') < heard.body.index(b'"error"')
    assert world.ledger.lines[-1].outcome == "upstream_truncated"


@pytest.mark.parametrize(("at", "body"), [("question", QUESTION), ("answer", QUESTION), ("events", STREAM)])
async def test_a_guard_that_fails_lets_nothing_through(at: str, body: Any, caplog: pytest.LogCaptureFixture) -> None:
    script = streams(chunk("a@b.io"), FINISH, DONE) if body is STREAM else answers(ANSWER.replace(b"Hi", b"a@b.io"))
    world = World([script], guards=broken(at), endpoints=guarded(input=MASK))
    heard = await world.ask(body)
    assert heard.status == (200 if at == "events" else 503)
    assert b"guard_failed" in heard.body
    assert b"a@b.io" not in heard.body
    row = world.ledger.lines[-1]
    assert (row.outcome, row.error, row.guards) == ("failed", "guard_failed", {"error": "block:1"})
    assert "IndexError" in caplog.text
    assert "example.com" not in caplog.text


@pytest.mark.parametrize(("at", "body"), [("question", QUESTION), ("answer", QUESTION), ("events", STREAM)])
async def test_a_guard_that_fails_open_lets_the_call_go_on(at: str, body: Any) -> None:
    script = streams(chunk("Hi"), FINISH, DONE) if body is STREAM else answers()
    world = World([script], guards=broken(at, fails_open=True), endpoints=guarded(input=MASK))
    heard = await world.ask(body)
    assert heard.status == 200
    assert b"Hi" in heard.body
    row = world.ledger.lines[-1]
    assert (row.outcome, row.guards) == ("ok", {"error": "allow:1"})


def crowd(first: str) -> bytes:
    """An event with more texts than a guard looks at."""
    others = [{"index": index, "delta": {"content": "x"}} for index in range(1, 70)]
    choice = {"index": 0, "delta": {"content": first}}
    return b"data: " + json.dumps({"choices": [choice, *others]}).encode() + b"\n\n"


@pytest.mark.parametrize("side", [MASK, GuardSide(pii="flag")])
@pytest.mark.parametrize("together", [True, False])
async def test_a_guard_that_fails_open_in_a_stream_swallows_and_repeats_nothing(
    *, side: GuardSide, together: bool
) -> None:
    pieces = [ROLE, chunk("To a@b.io or "), chunk("Hello wor"), chunk("ld, bi"), crowd("g wo"), chunk("rld"), DONE]
    script = streams(b"".join(pieces)) if together else streams(*pieces)
    world = World([script], endpoints=guarded(output=side, on_error="allow"))
    heard = await world.ask(STREAM)
    events = [json.loads(event[6:]) for event in heard.body.removesuffix(DONE).split(b"\n\n") if event]
    texts = [
        choice["delta"].get("content", "") for event in events for choice in event["choices"] if not choice["index"]
    ]
    address = "[EMAIL]" if side is MASK else "a@b.io"
    assert "".join(texts) == f"To {address} or Hello world, big world"
    assert heard.body.endswith(DONE)
    assert world.ledger.lines[-1].outcome == "ok"
    assert world.ledger.lines[-1].guards["error"] == "allow:1"


async def test_without_a_guard_nobody_looks() -> None:
    def make(_: EndpointGuard) -> Any:
        raise AssertionError("made although no endpoint asks for it")

    world = World([answers()], guards=make)
    assert (await world.ask(QUESTION)).status == 200


async def test_an_endpoint_without_a_guard_beside_one_with_is_not_looked_at() -> None:
    chat, *_ = guarded(input=BLOCK)
    other = msgspec.structs.replace(snapshot().endpoints[0], name="other")
    world = World([answers()], endpoints=(chat, other))
    heard = await world.ask({**QUESTION, "model": "other"})
    assert heard.status == 200
    assert "x-modelwright-guards" not in heard.headers


def test_the_error_of_a_guard_names_its_status() -> None:
    assert GuardBlocked("x").code == "guard_blocked"
