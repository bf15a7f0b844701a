"""Calls that ask the same at the same time: one upstream request, a row for each, and every way in which it can end."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from modelwright.adapters.http.fake import Scripted
from modelwright.core.contracts.snapshot import Caching, Endpoint
from modelwright.core.errors.providers import ProviderUnreachable
from tests.unit.gateway.cache.test_policy import BODY, OTHER_KEY, STREAM, WHOLE, keys, marks
from tests.unit.gateway.world import DONE, FINISH, JSON, ROLE, Heard, World, answers, chunk, patient_chat, streams

SLOW = 0.05


def slow(body: bytes = WHOLE, *, status: int = 200) -> Scripted:
    return Scripted(status=status, headers=(JSON,), pieces=(body,), before_head=SLOW)


def world(*script: Scripted) -> World:
    endpoint: Endpoint = msgspec.structs.replace(patient_chat(), cache=Caching(ttl=60.0))
    return World(script, endpoints=(endpoint,), keys=keys(), max_in_flight=100)


async def together(site: World, count: int, body: Any = None, **options: Any) -> list[Heard]:
    return await asyncio.gather(*(site.ask(body or BODY, **options) for _ in range(count)))


async def until(true: Any) -> None:
    for _ in range(1000):
        if true():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("waited in vain")


def kinds(site: World) -> list[str]:
    return sorted(line.cache for line in site.ledger.lines if line.outcome != "intent")


def test_equal_calls_at_once_share_one_request() -> None:
    site = world(slow())
    heard = asyncio.run(together(site, 20))
    assert sorted(marks(heard)) == ["miss", *["shared"] * 19]
    assert {one.body for one in heard} == {WHOLE}
    assert len({one.headers["x-modelwright-call"] for one in heard}) == 20
    assert {one.headers["x-modelwright-variant"] for one in heard} == {"main"}
    assert len(site.upstream.requests) == 1
    assert site.outcomes().count("ok") == 20
    followers = [line for line in site.ledger.lines if line.cache == "shared"]
    assert {(line.attempts, line.input_tokens, line.output_tokens, line.saved_tokens) for line in followers} == {
        (0, 0, 0, 7)
    }
    assert kinds(site) == ["miss", *["shared"] * 19]
    assert len(site.in_flight) == 0


def test_the_answer_is_kept_for_those_who_come_later() -> None:
    site = world(slow())

    async def then() -> list[Heard]:
        return [*await together(site, 3), await site.ask(BODY)]

    assert marks(asyncio.run(then()))[-1] == "hit"


def test_other_tenants_other_questions_and_streams_do_not_share() -> None:
    site = world(slow(), slow(), slow(), *[streams(ROLE, chunk("Hi"), 0.02, FINISH, DONE)] * 2)

    async def all_at_once() -> None:
        await asyncio.gather(
            site.ask(BODY),
            site.ask(BODY, secret=OTHER_KEY),
            site.ask({**BODY, "seed": 1}),
            site.ask(STREAM),
            site.ask(STREAM),
        )

    asyncio.run(all_at_once())
    assert kinds(site) == ["miss"] * 5


@pytest.mark.parametrize("header", ["no-cache", "no-store"])
def test_who_wants_a_new_answer_asks_alone(header: str) -> None:
    site = world(slow(), slow(), slow())

    async def all_at_once() -> list[Heard]:
        return await asyncio.gather(
            site.ask(BODY), *(site.ask(BODY, headers={"cache-control": header}) for _ in range(2))
        )

    assert sorted(marks(asyncio.run(all_at_once()))) == ["bypass", "bypass", "miss"]


@pytest.mark.parametrize("status", [500, 429])
def test_an_error_is_told_to_all_once_and_the_next_call_asks_anew(status: int) -> None:
    site = world(slow(b'{"error":{"message":"no"}}', status=status), answers(WHOLE))

    async def then() -> tuple[list[Heard], Heard]:
        return await together(site, 5), await site.ask(BODY)

    heard, after = asyncio.run(then())
    assert len({(one.status, one.error["code"], one.headers.get("retry-after")) for one in heard}) == 1
    assert after.status == 200
    assert len(site.upstream.requests) == 2
    rows = [line for line in site.ledger.lines if line.outcome != "intent"]
    assert len({(row.outcome, row.error) for row in rows[:5]}) == 1
    assert kinds(site) == ["miss", "miss", *["shared"] * 4]


def test_what_the_provider_says_of_the_request_is_told_to_all() -> None:
    site = world(slow(b'{"error":{"message":"which?"}}', status=400))
    heard = asyncio.run(together(site, 3))
    assert {(one.status, one.body) for one in heard} == {(400, b'{"error":{"message":"which?"}}')}
    assert {line.outcome for line in site.ledger.lines} == {"intent", "provider_refused"}
    assert len(site.cache) == 0


def test_no_connection_is_told_to_all() -> None:
    site = world(Scripted(error=ProviderUnreachable("no")), *[answers(WHOLE)] * 3)
    heard = asyncio.run(together(site, 3))
    assert {one.status for one in heard} <= {200, 502}
    assert heard[0].status == 502


async def leave_and_see(site: World, *, leaders: int, followers: int, leaving: int) -> list[Heard]:
    """`leaving` of the first calls go once all wait; what the others get."""
    gone = [asyncio.Event() for _ in range(leaders + followers)]
    calls = [asyncio.ensure_future(site.ask(BODY, leave=event)) for event in gone]
    await until(lambda: len(site.in_flight) == len(calls))
    site.clock.advance(1.0)
    site.in_flight.sweep()
    for event in gone[:leaving]:
        event.set()
    return list(await asyncio.gather(*calls))


def test_the_request_goes_on_when_the_leaders_client_leaves() -> None:
    site = world(slow())
    heard = asyncio.run(leave_and_see(site, leaders=1, followers=3, leaving=1))
    assert [one.body for one in heard[1:]] == [WHOLE] * 3
    assert len(site.upstream.requests) == 1
    assert site.upstream.given_up == 0
    assert kinds(site) == ["miss", "shared", "shared", "shared"]


def test_it_is_given_up_when_everybody_has_left() -> None:
    site = world(Scripted(headers=(JSON,), pieces=(WHOLE,), before_head=5.0))
    asyncio.run(leave_and_see(site, leaders=1, followers=3, leaving=4))
    assert site.upstream.given_up == 1
    assert set(site.outcomes()) == {"intent", "client_disconnect"}
    assert site.outcomes().count("client_disconnect") == 4
    assert len(site.in_flight) == 0


def test_a_follower_that_leaves_disturbs_nobody() -> None:
    async def run(site: World) -> list[Heard]:
        gone = asyncio.Event()
        leader = asyncio.ensure_future(site.ask(BODY))
        await until(lambda: len(site.upstream.requests) == 1)
        calls = [leader, *(asyncio.ensure_future(site.ask(BODY, leave=event)) for event in (gone, asyncio.Event()))]
        await until(lambda: len(site.in_flight) == 3)
        site.clock.advance(1.0)
        site.in_flight.sweep()
        gone.set()
        return list(await asyncio.gather(*calls))

    site = world(slow())
    heard = asyncio.run(run(site))
    assert [one.status for one in heard][::2] == [200, 200]
    assert heard[1].error["code"] == "client_disconnect"
    assert sorted(site.outcomes()) == ["client_disconnect", "intent", "ok", "ok"]


def test_followers_of_a_leader_that_ran_out_of_its_own_time_try_for_themselves() -> None:
    async def run(site: World) -> list[Heard]:
        leader = asyncio.ensure_future(site.ask(BODY))
        await until(lambda: len(site.upstream.requests) == 1)
        site.clock.advance(50.0)
        followers = [asyncio.ensure_future(site.ask(BODY)) for _ in range(3)]
        await until(lambda: len(site.in_flight) == 4)
        site.clock.advance(11.0)
        site.in_flight.sweep()
        return list(await asyncio.gather(leader, *followers))

    site = world(Scripted(headers=(JSON,), pieces=(WHOLE,), before_head=30.0), slow())
    heard = asyncio.run(run(site))
    assert [one.status for one in heard] == [504, 200, 200, 200]
    assert len(site.upstream.requests) == 2
    assert kinds(site) == ["miss", "miss", "shared", "shared"]
