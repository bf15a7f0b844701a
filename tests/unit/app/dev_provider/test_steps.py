"""What is written, waited for and how it ends, for every fault; nothing is performed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.dev_provider import steps
from modelwright.app.dev_provider.answers import Answer, Ask
from modelwright.app.dev_provider.faults import Effects, FaultScript, parse_faults
from modelwright.app.dev_provider.journal import Entry, Journal
from modelwright.app.dev_provider.steps import End, Pause, Step

DELAY = 0.5


def effects(*specs: str) -> Effects:
    return FaultScript(parse_faults(specs)).next()


def entry() -> Entry:
    return Journal().add(connection=1, method="POST", path="/", headers=[], body=b"")


def stream(*specs: str, tokens: int = 5, of: Entry | None = None) -> list[Step]:
    answer = Answer(Ask(model="m"), chat=True, number=1, tokens=tokens)
    return list(steps.streamed(answer, effects(*specs), delay=DELAY, entry=of or entry()))


def body_of(taken: list[Step]) -> bytes:
    """The body without its chunk framing."""
    data = b"".join(step for step in taken if isinstance(step, bytes)).split(b"\r\n\r\n", 1)[1]
    body = b""
    while data and not data.startswith(b"0\r\n"):
        size, _, data = data.partition(b"\r\n")
        body, data = body + data[: int(size, 16)], data[int(size, 16) + 2 :]
    return body


def test_stream_waits_before_each_token() -> None:
    noted = entry()
    taken = stream(of=noted)
    assert [step for step in taken if not isinstance(step, bytes)] == [DELAY] * 5
    assert body_of(taken).endswith(b"data: [DONE]\n\n")
    assert (noted.status, noted.tokens) == (200, 5)


@pytest.mark.parametrize(("spec", "end"), [("cut@3", End.CUT), ("stall@3", End.HANG)])
def test_stream_ends_after_so_many_tokens(spec: str, end: End) -> None:
    noted = entry()
    taken = stream(spec, of=noted)
    assert taken[-1] is end
    assert noted.tokens == 3
    assert b"0\r\n\r\n" not in taken
    assert body_of(taken).count(b'"content":"') == 4, "three tokens and the opening"


@pytest.mark.parametrize("tokens", [0, 3, 5])
def test_a_held_stream_pauses_after_so_many_tokens_and_is_whole(tokens: int) -> None:
    taken = stream(f"hold@{tokens}")
    before = taken[: taken.index(Pause.HOLD)]
    assert before.count(DELAY) == tokens
    assert bool(before) == bool(tokens), "not even the head goes out before the first"
    assert body_of([step for step in taken if step is not Pause.HOLD]) == body_of(stream())
    lump = stream("lump", f"hold@{tokens}")
    assert lump[-2:] == [Pause.HOLD, stream("lump")[-1]]


@pytest.mark.parametrize("spec", ["429", "cut@3", "garbage"])
def test_a_pause_joins_the_other_faults(spec: str) -> None:
    taken = stream("hold@3", spec)
    assert [step for step in taken if step is not Pause.HOLD] == stream(spec)
    assert taken.count(Pause.HOLD) == 1


def test_a_held_answer_pauses_before_its_head() -> None:
    assert list(steps.answered(b"{}", effects("slow@1s", "hold"), entry=entry())) == [
        1.0,
        Pause.HOLD,
        steps.whole(b"{}"),
    ]


@pytest.mark.parametrize("spec", ["cut@0", "stall@0"])
def test_nothing_but_the_head_when_no_token_may_pass(spec: str) -> None:
    taken = stream(spec)
    assert len(taken) == 2
    assert body_of(taken) == b""


def test_cut_later_than_the_last_token_still_cuts() -> None:
    taken = stream("cut@99")
    assert taken[-1] is End.CUT
    assert b"[DONE]" not in body_of(taken)


def test_error_event_ends_the_stream_without_done() -> None:
    body = body_of(stream("error@2"))
    assert json.loads(body.split(b"data: ")[-1])["error"]["code"] == "dev_fault"
    assert b"[DONE]" not in body


@given(st.integers(1, 20), st.integers(0, 12))
def test_split_changes_nothing_but_the_pieces(size: int, tokens: int) -> None:
    taken = stream(f"split@{size}", tokens=tokens)
    assert all(len(step) <= size for step in taken if isinstance(step, bytes))
    assert body_of(taken) == body_of(stream(tokens=tokens))


def test_lump_is_one_write_when_the_last_token_is_due() -> None:
    taken = stream("lump")
    assert taken[0] == 5 * DELAY
    assert len(taken) == 2
    assert body_of(taken) == body_of(stream())


def test_slow_joins_the_other_faults() -> None:
    taken = stream("slow@2s", "cut@0")
    assert taken[0] == 2.0
    assert taken[-1] is End.CUT


@pytest.mark.parametrize(
    ("spec", "status", "ends"),
    [("garbage", 0, True), ("refuse", 0, True), ("empty", 200, False), ("503@9s", 503, False)],
)
@pytest.mark.parametrize("streaming", [True, False])
def test_faults_instead_of_an_answer(spec: str, status: int, ends: bool, streaming: bool) -> None:  # noqa: FBT001
    noted = entry()
    taken = stream(spec, of=noted) if streaming else list(steps.answered(b"{}", effects(spec), entry=noted))
    assert noted.status == status
    assert (taken[-1] is End.CUT) == ends
    if status:
        assert isinstance(taken[0], bytes)
        assert taken[0].startswith(b"HTTP/1.1 %d " % status)
        assert (b"retry-after: 9\r\n" in taken[0]) == (status == 503)


@pytest.mark.parametrize(("spec", "end"), [("cut@3", End.CUT), ("stall@3", End.HANG), ("cut@0", End.CUT)])
def test_whole_answer_stops_in_mid_body(spec: str, end: End) -> None:
    body = b'{"some":"body"}'
    taken = list(steps.answered(body, effects(spec), entry=entry()))
    assert taken[-1] is end
    assert isinstance(taken[0], bytes)
    head, _, sent = taken[0].partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head
    assert body.startswith(sent)
    assert len(sent) == (0 if spec == "cut@0" else 8)


def test_journal_is_bounded_by_entries_and_bytes() -> None:
    journal = Journal(entries=3, size=10)
    for number in range(5):
        journal.add(connection=1, method="GET", path=f"/{number}", headers=[(b"authorization", b"key")], body=b"xxxx")
    kept = journal.facts(secrets=False)
    assert [fact["path"] for fact in kept] == ["/3", "/4"]
    assert kept[0]["headers"] == {"authorization": "***"}
    assert journal.facts(secrets=True)[0]["headers"] == {"authorization": "key"}
    assert journal.count == 5
