"""The policy of limits at work in a whole gateway in memory."""

import asyncio

import pytest

from modelwright.core.contracts.snapshot import Limit, Limits
from modelwright.gateway.limits.words import duration
from tests.unit.gateway.world import DONE, FINISH, ROLE, USAGE, World, answers, chunk, patient_chat, snapshot, streams


def limited(*each: Limit, trusted: tuple[str, ...] = ()) -> Limits:
    return Limits(each=each, trusted=trusted)


def per(amount: int, *, of: str = "requests", by: str = "key", window: str = "minute") -> Limit:
    return Limit(by=by, of=of, amount=amount, per=window)


def at_once(amount: int, *, by: str = "key") -> Limit:
    return Limit(by=by, of="concurrency", amount=amount)


async def test_without_limits_nothing_is_said_of_them() -> None:
    heard = await World([answers()]).ask()
    assert not [name for name in heard.headers if "ratelimit" in name]


async def test_a_call_over_the_limit_is_ours_to_refuse() -> None:
    world = World([answers()], limits=limited(per(1)))
    first = await world.ask()
    assert first.headers["x-ratelimit-limit-requests"] == "1"
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert first.headers["x-ratelimit-reset-requests"].startswith("1m")
    second = await world.ask()
    assert second.status == 429
    assert second.error["code"] == "rate_limited"
    assert second.error["type"] == "rate_limit_error"
    assert "1 requests per minute for this key" in second.error["message"]
    assert 60 < int(second.headers["retry-after"]) <= 63
    assert second.headers["x-ratelimit-remaining-requests"] == "0"
    assert world.outcomes() == ["intent", "ok", "refused"]
    assert world.ledger.lines[-1].error == "rate_limited"
    assert len(world.upstream.requests) == 1


async def test_tokens_are_reserved_and_what_was_not_used_is_given_back() -> None:
    world = World([answers(), answers()], limits=limited(per(1000, of="tokens")))
    first = await world.ask({"model": "chat", "messages": [], "max_tokens": 900})
    assert int(first.headers["x-ratelimit-remaining-tokens"]) < 100
    second = await world.ask({"model": "chat", "messages": [], "max_tokens": 900})
    assert second.status == 200
    third = await world.ask({"model": "chat", "messages": [], "max_completion_tokens": 2000})
    assert third.status == 429
    assert "retry-after" not in third.headers
    assert "max_tokens" in third.error["message"]


async def test_a_call_refused_by_one_limit_takes_nothing_of_another() -> None:
    world = World([answers(), answers()], limits=limited(per(2, by="tenant"), per(50, of="tokens", by="endpoint")))
    for _ in range(5):
        assert (await world.ask({"model": "chat", "messages": [], "max_tokens": 60})).status == 429
    heard = await world.ask({"model": "chat", "messages": [], "max_tokens": 10})
    assert heard.headers["x-ratelimit-remaining-requests"] == "1"


async def test_the_tightest_of_several_limits_is_told() -> None:
    world = World([answers()], limits=limited(per(10), per(100, window="day"), per(5, by="tenant", window="hour")))
    assert (await world.ask()).headers["x-ratelimit-limit-requests"] == "5"


async def test_each_subject_has_the_whole_limit_for_itself() -> None:
    world = World([answers()] * 4, limits=limited(per(1, by="user")))
    question = {"model": "chat", "messages": []}
    statuses = [(await world.ask({**question, "user": user})).status for user in ("a", "b", "a")]
    assert statuses == [200, 200, 429]
    statuses = [(await world.ask(question)).status for _ in range(2)]
    assert statuses == [200, 429]


async def test_addresses_count_behind_trusted_proxies_only() -> None:
    world = World([answers()] * 4, limits=limited(per(1, by="address"), trusted=("192.0.2.0/24",)))
    statuses = [(await world.ask(headers={"x-forwarded-for": f"{told}"})).status for told in ("9.9.9.1", "9.9.9.2")]
    assert statuses == [200, 200]
    assert (await world.ask(headers={"x-forwarded-for": "8.8.8.8, 9.9.9.2"})).status == 429


async def test_a_place_is_taken_while_a_stream_lasts_and_free_before_its_last_byte_leaves() -> None:
    world = World([streams(ROLE, chunk("Hi"), FINISH, USAGE, DONE), answers()], limits=limited(at_once(1)))
    seen: list[int] = []

    async def meanwhile() -> None:
        if len(seen) < 5 and 200 not in seen:
            seen.append((await world.ask()).status)

    assert (await world.ask({"model": "chat", "messages": [], "stream": True}, on_part=meanwhile)).status == 200
    assert (seen[0], seen[-1]) == (429, 200)


async def test_the_place_of_a_client_that_leaves_is_free_at_once() -> None:
    world = World(
        [streams(ROLE, chunk("Hi"), 900.0), answers()], limits=limited(at_once(1)), endpoints=(patient_chat(),)
    )
    leave = asyncio.Event()
    call = asyncio.ensure_future(world.ask({"model": "chat", "messages": [], "stream": True}, leave=leave))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (await world.ask()).status == 429
    world.clock.advance(0.3)
    world.in_flight.sweep()
    await asyncio.sleep(0)
    leave.set()
    await call
    assert world.ledger.lines[-1].outcome == "client_disconnect"
    assert (await world.ask()).status == 200


async def test_limits_outlive_a_new_snapshot() -> None:
    world = World([answers()], limits=limited(per(1)))
    assert (await world.ask()).status == 200
    world.gateway.apply(snapshot(serial=2, limits=limited(per(1))))
    assert (await world.ask()).status == 429


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0ms"), (0.12, "120ms"), (1, "1s"), (59.2, "60s"), (61, "1m1s"), (360, "6m0s"), (86400, "24h0m0s")],
)
def test_durations_read_as_those_of_openai(seconds: float, text: str) -> None:
    found = duration(seconds).decode()
    assert found == ("1m0s" if text == "60s" else text)
