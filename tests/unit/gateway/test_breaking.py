"""Providers that fail and are left alone for a while, through a whole gateway in memory."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from modelwright.core.contracts.events import BreakerChanged
from modelwright.core.contracts.snapshot import BreakerRule, ProviderEntry, Timeouts
from tests.unit.gateway.upstreams import (
    FAILS,
    GOOD,
    STREAM,
    Upstreams,
    ask,
    endpoint,
    outcomes,
    providers,
    world,
)
from tests.unit.gateway.world import ROLE, Heard, World, answers, chunk, snapshot, streams

RULE = BreakerRule(failures=2, share=0.5, window=60.0, rest=10.0)


def guarded(*names: str) -> tuple[ProviderEntry, ...]:
    return tuple(msgspec.structs.replace(entry, breaker=RULE) for entry in providers(*names))


def states(site: World) -> list[tuple[str, str]]:
    return [(event.provider, event.state) for event in site.events if isinstance(event, BreakerChanged)]


def test_a_provider_that_fails_is_left_alone_and_tried_again_later() -> None:
    upstreams = Upstreams(a=[FAILS, FAILS, FAILS, GOOD])
    site = world(upstreams, "a", providers=guarded("a"))
    assert [ask(site).status for _ in range(4)] == [502, 502, 503, 503]
    assert upstreams.hits == {"a": 2}
    heard = ask(site)
    assert (heard.error["code"], heard.headers["retry-after"]) == ("provider_unavailable", "13")
    assert site.gateway.left_alone() == {"a": 1}
    assert outcomes(site)[-1].outcome == "refused"
    site.clock.advance(12.6)
    assert [ask(site).status for _ in range(2)] == [502, 503]
    site.clock.advance(12.6)
    assert [ask(site).status for _ in range(2)] == [200, 200]
    assert site.gateway.left_alone() == {"a": 0}
    assert [state for _, state in states(site)] == ["open", "half_open", "open", "half_open", "closed"]


def test_a_variant_that_is_left_alone_costs_nothing_when_there_is_another() -> None:
    upstreams = Upstreams(a=[FAILS], b=[GOOD])
    site = world(upstreams, "a", "b", fallback=("b",), retries=1, providers=guarded("a", "b"))
    assert [ask(site).status for _ in range(5)] == [200] * 5
    assert upstreams.hits == {"a": 2, "b": 5}
    assert site.waits == [0.5]
    assert [row.attempts for row in outcomes(site) if not row.attempt_of] == [3, 1, 1, 1, 1]


@pytest.mark.parametrize("status", [400, 401, 404, 422, 429])
def test_refusals_do_not_open_it(status: int) -> None:
    upstreams = Upstreams(a=[answers(b'{"error":{"message":"no"}}', status=status)])
    site = world(upstreams, "a", providers=guarded("a"))
    for _ in range(5):
        ask(site)
    assert upstreams.hits == {"a": 5}


def test_streams_that_break_off_open_it() -> None:
    upstreams = Upstreams(a=[streams(chunk("Hi"), whole=False)])
    site = world(upstreams, "a", providers=guarded("a"))
    assert [ask(site, STREAM).status for _ in range(3)] == [200, 200, 503]


def test_a_try_whose_client_leaves_lets_the_next_one_try() -> None:
    upstreams = Upstreams(a=[FAILS, FAILS, streams(ROLE, 900.0), GOOD])
    times = Timeouts(connect=1.0, first_token=900.0, idle=900.0, total=900.0)
    site = world(upstreams, "a", providers=guarded("a"), timeouts=times)

    async def run() -> Heard:
        for _ in range(2):
            await site.ask()
        site.clock.advance(20.0)
        leave = asyncio.Event()
        upstreams.asked.clear()
        asked = asyncio.create_task(site.ask(STREAM, leave=leave))
        await upstreams.asked.wait()
        leave.set()
        site.clock.advance(1.0)
        site.in_flight.sweep()
        await asked
        return await site.ask()

    assert asyncio.run(run()).status == 200


def test_it_stays_open_over_snapshots() -> None:
    upstreams = Upstreams(a=[FAILS])
    entries = guarded("a")
    site = world(upstreams, "a", providers=entries)
    for _ in range(2):
        ask(site)
    site.gateway.apply(snapshot(serial=2, endpoints=(endpoint("a"),), providers=entries))
    assert ask(site).status == 503
    site.gateway.apply(snapshot(serial=3, endpoints=(endpoint("a"),), providers=providers("a")))
    assert ask(site).status == 502
    assert site.gateway.left_alone() == {}
