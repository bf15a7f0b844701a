import asyncio
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.http.fake import Scripted
from modelwright.core.errors.providers import ProviderTimeout, UpstreamStalled
from tests.unit.gateway.world import DONE, FINISH, ROLE, USAGE, Heard, World, chunk, patient_chat, snapshot, streams

WORDS = ("Hello", " wörld", "\n\ndata: [DONE]\n\n", ' "usage" "error" [DONE] ', "🙂")
WHOLE = ROLE + b"".join(chunk(word) for word in WORDS) + FINISH + USAGE + DONE
STREAM = {"model": "chat", "messages": [], "stream": True}
WITH_USAGE = {**STREAM, "stream_options": {"include_usage": True}}


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if end > start]


def streamed(*pieces: bytes | float, whole: bool = True, body: object = None) -> tuple[World, Heard]:
    world = World([streams(*pieces, whole=whole)])
    return world, asyncio.run(world.ask(body or STREAM))


def last_error(heard: Heard) -> dict[str, object]:
    *_, event = heard.body.rstrip().split(b"\n\n")
    return msgspec.json.decode(event.removeprefix(b"data: "))["error"]


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12), st.booleans())
def test_however_it_is_cut_the_client_gets_the_same_bytes(points: list[int], asks: bool) -> None:  # noqa: FBT001
    world, heard = streamed(*cut(WHOLE, points), body=WITH_USAGE if asks else STREAM)
    assert heard.body == (WHOLE if asks else WHOLE.replace(USAGE, b""))
    assert heard.ended
    row = world.ledger.lines[-1]
    assert (row.outcome, row.input_tokens, row.output_tokens) == ("ok", 3, 4)
    assert row.chunks == len(WORDS) + 2 + asks


@given(st.integers(0, len(WHOLE) - len(DONE) - 1), st.lists(st.integers(0, len(WHOLE)), max_size=6))
def test_wherever_it_breaks_off_no_end_is_made_up(end: int, points: list[int]) -> None:
    part = WHOLE[:end]
    world, heard = streamed(*cut(part, points), whole=False)
    began = len(ROLE + chunk(WORDS[0])) <= end
    assert heard.status == (200 if began else 502)
    assert not heard.body.endswith(DONE)
    assert world.outcomes() == ["intent", "upstream_truncated"]
    if began:
        assert last_error(heard)["code"] == "upstream_truncated"
        assert WHOLE.replace(USAGE, b"").startswith(heard.body.rpartition(b"data: ")[0])


def test_a_clean_end_without_an_end_mark_is_truncated_too() -> None:
    world, heard = streamed(ROLE, chunk("Hi"), FINISH)
    assert last_error(heard)["code"] == "upstream_truncated"
    assert world.outcomes() == ["intent", "upstream_truncated"]


def test_several_events_of_one_read_are_sent_at_once() -> None:
    _, heard = streamed(ROLE + chunk("a"), chunk("b") + chunk("c") + chunk("d"), FINISH + USAGE + DONE)
    assert heard.parts == [ROLE + chunk("a"), chunk("b") + chunk("c") + chunk("d"), FINISH + DONE]


def test_the_outcome_is_there_before_the_last_part_goes_out() -> None:
    world = World([streams(ROLE, chunk("a"), FINISH, DONE)])
    seen: list[list[str]] = []

    async def look() -> None:
        seen.append(world.outcomes())

    asyncio.run(world.ask(STREAM, on_part=look))
    assert seen[-1] == ["intent", "ok"]
    assert all(known == ["intent"] for known in seen[:-1])


def test_what_comes_after_the_end_mark_is_not_passed_on() -> None:
    _, heard = streamed(chunk("a"), DONE + chunk("late"), chunk("later"))
    assert heard.body == chunk("a") + DONE


def test_the_connection_is_given_back_after_a_whole_stream_and_closed_after_a_broken_one() -> None:
    world, _ = streamed(chunk("a"), DONE, 0.001)
    assert world.upstream.given_up == 0
    error = b'data: {"error":{"message":"no"}}\n\n'
    world, _ = streamed(chunk("a"), error, chunk("b"))
    assert world.upstream.given_up == 1


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_an_error_before_any_content_is_answered_with_its_status(status: int) -> None:
    error = b'data: {"error":{"message":"no","code":%d}}\n\n' % status
    world, heard = streamed(b": wait\n\n", ROLE, error)
    assert heard.status == {401: 502, 429: 429}.get(status, 502)
    assert heard.headers["content-type"] == "application/json"
    assert len(world.outcomes()) == 2


def test_an_event_that_never_ends_is_an_error() -> None:
    world, heard = streamed(chunk("a"), *[b"data: " + b"x" * (1 << 20)] * 5)
    assert last_error(heard)["code"] == "provider_error"
    assert world.outcomes() == ["intent", "provider_error"]


def test_comments_without_content_are_not_held_for_ever() -> None:
    _, heard = streamed(*[b": " + b"-" * 10_000 + b"\n\n"] * 10, chunk("a"), DONE)
    assert len(heard.parts) >= 2
    assert heard.body.endswith(chunk("a") + DONE)


def test_usage_on_an_event_with_content_stays_in_it() -> None:
    both = b'data: {"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}\n\n'
    world, heard = streamed(chunk("a"), both, DONE)
    assert heard.body == chunk("a") + both + DONE
    assert world.ledger.lines[-1].output_tokens == 2


def test_running_totals_end_at_the_last_one() -> None:
    totals = [
        b'data: {"choices":[{"delta":{"content":"x"}}],"usage":{"completion_tokens":%d}}\n\n' % number
        for number in (1, 2, 3)
    ]
    world, _ = streamed(*totals, DONE)
    assert world.ledger.lines[-1].output_tokens == 3


@pytest.mark.parametrize("pieces", [(chunk("a"), 5.0, DONE), (ROLE, 5.0, DONE)])
def test_the_sweep_ends_a_silent_stream(pieces: tuple[bytes | float, ...]) -> None:
    async def scene() -> tuple[World, Heard]:
        world = World([Scripted(headers=((b"content-type", b"text/event-stream"),), pieces=pieces)])
        asking = asyncio.ensure_future(world.ask(STREAM))
        for _ in range(20):
            await asyncio.sleep(0)
        world.clock.advance(0.2)
        world.in_flight.sweep()
        return world, await asking

    world, heard = asyncio.run(scene())
    assert world.outcomes() == ["intent", UpstreamStalled.code]
    assert heard.status == (200 if pieces[0] != ROLE else 504)
    assert world.upstream.given_up == 1
    assert len(world.in_flight) == 0


def test_the_sweep_ends_a_stream_that_takes_too_long_in_all() -> None:
    async def scene() -> tuple[World, Heard]:
        world = World([streams(chunk("a"), 0.05, DONE)], endpoints=(patient_chat(),))
        asking = asyncio.ensure_future(world.ask(STREAM))
        for _ in range(20):
            await asyncio.sleep(0)
        world.clock.advance(61)
        world.in_flight.sweep()
        return world, await asking

    world, heard = asyncio.run(scene())
    assert last_error(heard)["code"] == ProviderTimeout.code
    assert world.outcomes() == ["intent", "provider_timeout"]


def test_a_client_that_leaves_ends_everything() -> None:
    async def scene() -> World:
        world = World([streams(chunk("a"), chunk("b"), 5.0, DONE)], endpoints=(patient_chat(),))
        leave = asyncio.Event()
        asking = asyncio.ensure_future(world.ask(STREAM, leave=leave))
        for _ in range(20):
            await asyncio.sleep(0)
        world.clock.advance(0.3)
        world.gateway.apply(snapshot(serial=2, endpoints=()))
        world.in_flight.sweep()
        await asyncio.sleep(0)
        leave.set()
        await asking
        return world

    world = asyncio.run(scene())
    row = world.ledger.lines[-1]
    assert (row.outcome, row.chunks, row.status) == ("client_disconnect", 2, 200)
    assert world.upstream.given_up == 1
    assert world.finished().error == "client_disconnect"
    assert len(world.in_flight) == 0


def test_a_client_that_does_not_read_is_no_silence_of_the_upstream() -> None:
    async def scene() -> tuple[World, Heard]:
        world = World([streams(chunk("a"), chunk("b"), DONE)])
        held = asyncio.Event()
        asking = asyncio.ensure_future(world.ask(STREAM, on_part=held.wait))
        for _ in range(20):
            await asyncio.sleep(0)
        world.clock.advance(10)
        world.in_flight.sweep()
        held.set()
        return world, await asking

    world, heard = asyncio.run(scene())
    assert heard.body.endswith(DONE)
    assert world.outcomes() == ["intent", "ok"]


COUNTED = '{"prompt_tokens":3,"completion_tokens":4}'


@pytest.mark.parametrize(
    "last",
    [
        f'{{"choices":[],"usage":{COUNTED}}}',
        f'{{"usage":null,"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop","usage":{COUNTED}}}]}}',
        f'{{"choices":[],"x_groq":{{"usage":{COUNTED}}},"usage":null}}',
        f'{{"choices":[],"usage":null,"x_groq":{{"id":"r","usage":{COUNTED}}}}}',
    ],
)
def test_counts_are_seen_wherever_a_vendor_puts_them(last: str) -> None:
    world, _ = streamed(ROLE, chunk("Hi"), FINISH, f"data: {last}\n\n".encode(), DONE)
    row = world.ledger.lines[-1]
    assert (row.outcome, row.input_tokens, row.output_tokens) == ("ok", 3, 4)
