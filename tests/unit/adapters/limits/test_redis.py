"""Limits in a real Redis that is stopped, killed and restarted, and workers that die or are held up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.adapters.limits.redis import LEASE, Away, RedisLimits
from modelwright.app.system import SystemClock
from modelwright.core.errors.calls import LimitsUnavailable
from modelwright.core.limits import Ask, Spent
from tests.making.redis_server import RedisServer
from tests.unit.adapters.limits.asking import ask

PLACES = ask("concurrency", 1, limit=3)
MANY = ask("requests", 1, limit=1000, per="hour")
TOKENS = ask("tokens", 100, limit=1000, per="day")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture
def server(shared: RedisServer) -> Iterator[RedisServer]:
    yield shared
    shared.resume()
    if shared.process.poll() is not None:
        shared.start()


@pytest.fixture
async def worker(server: RedisServer) -> AsyncIterator[Callable[..., RedisLimits]]:
    """Makes workers of one site."""
    site = uuid4().hex
    async with AsyncExitStack() as stack:

        def make(place: str = "a", *, rates: str = "closed", workers: int = 1, after: float = 5.0) -> RedisLimits:
            away = Away(rates=rates, workers=workers, after=after)
            limits = RedisLimits(server.url, site=site, place=place, clock=SystemClock(), away=away)
            stack.push_async_callback(limits.close)
            return limits

        yield make


async def admitted(limits: RedisLimits, asks: Sequence[Ask], *, times: int) -> list[str]:
    calls = [uuid4().hex for _ in range(times)]
    verdicts = await asyncio.gather(*(limits.reserve(call, asks) for call in calls))
    return [call for call, verdict in zip(calls, verdicts, strict=True) if verdict.refused is None]


async def until(done: Callable[[], bool]) -> None:
    for _ in range(1000):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def test_two_workers_share_one_limit_exactly(worker: Callable[..., RedisLimits]) -> None:
    one, other = worker("a"), worker("b")
    limit = [ask("requests", 1, limit=37, per="hour"), PLACES]
    calls = await asyncio.gather(admitted(one, limit, times=100), admitted(other, limit, times=100))
    assert len(calls[0]) + len(calls[1]) == 3
    for limits, held in zip((one, other), calls, strict=True):
        for call in held:
            limits.settle(call, Spent())
    rest = await asyncio.gather(admitted(one, limit[:1], times=100), admitted(other, limit[:1], times=100))
    assert len(rest[0]) + len(rest[1]) == 34


@settings(max_examples=25)
@given(
    steps=st.lists(st.tuples(st.sampled_from(["call", "end", "never"]), st.integers(0, 400), st.integers(0, 1))),
)
async def test_the_balance_is_exact_after_any_order_of_calls_and_ends(
    shared: RedisServer, steps: list[tuple[str, int, int]]
) -> None:
    site = uuid4().hex
    workers = [
        RedisLimits(shared.url, site=site, place=place, clock=SystemClock(), away=Away(rates="closed", after=5.0))
        for place in "ab"
    ]
    held: list[list[tuple[str, int]]] = [[], []]
    used = 0
    for what, amount, number in steps:
        if what == "call":
            call = uuid4().hex
            verdict = await workers[number].reserve(call, [ask("tokens", amount, limit=1000, per="day")])
            assert (verdict.refused is None) == (used + amount <= 1000)
            if verdict.refused is None:
                held[number].append((call, amount))
                used += amount
        elif held[number]:
            call, reserved = held[number].pop(amount % len(held[number]))
            workers[number].settle(call, Spent(tokens=amount) if what == "end" else None)
            used += (amount if what == "end" else 0) - reserved
            await workers[number].reserve(uuid4().hex, [MANY])  # what was posted has arrived
    (standing,) = (await workers[0].reserve("last", [ask("tokens", 0, limit=1000, per="day")])).standings
    assert standing.remaining == max(0, 1000 - used)
    for limits in workers:
        await limits.close()


async def test_while_redis_is_stopped_calls_are_decided_at_once_by_the_rule(
    worker: Callable[..., RedisLimits], server: RedisServer
) -> None:
    closed = worker("a", after=0.2)
    shared = worker("b", rates="share", workers=2, after=0.2)
    opened = worker("c", rates="open", after=0.2)
    for limits in (closed, shared, opened):
        assert len(await admitted(limits, [MANY], times=1)) == 1
    server.stop()
    with pytest.raises(LimitsUnavailable):
        await closed.reserve("1", [PLACES])
    assert len(await admitted(shared, [ask("requests", 1, limit=10, per="hour")], times=50)) == 5
    assert len(await admitted(opened, [PLACES], times=50)) == 50
    assert not closed.up
    assert not shared.up
    server.resume()
    await until(lambda: closed.up and shared.up and opened.up)
    assert len(await admitted(closed, [MANY], times=1)) == 1


async def test_what_was_reserved_without_an_answer_is_given_back(
    worker: Callable[..., RedisLimits], server: RedisServer
) -> None:
    limits = worker(after=0.2)
    before = (await limits.reserve("first", [TOKENS, MANY])).standings
    server.stop()
    for number in range(3):
        with pytest.raises(LimitsUnavailable):
            await limits.reserve(f"lost {number}", [TOKENS, PLACES])
    server.resume()
    await until(lambda: limits.up)
    after = (await limits.reserve("second", [TOKENS, MANY])).standings
    assert [one.remaining - two.remaining for one, two in zip(before, after, strict=True)] == [100, 1]
    assert len(await admitted(limits, [PLACES], times=10)) == 3


async def test_a_call_that_is_cancelled_while_it_waits_has_reserved_nothing(
    worker: Callable[..., RedisLimits],
) -> None:
    limits = worker()
    await limits.reserve("first", [TOKENS])
    for number in range(20):
        waiting = asyncio.ensure_future(limits.reserve(f"call {number}", [TOKENS, PLACES]))
        for _ in range(number % 4):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert (await limits.reserve("last", [TOKENS])).standings[0].remaining == 800
    assert len(await admitted(limits, [PLACES], times=10)) == 3


async def test_settling_waits_for_redis(worker: Callable[..., RedisLimits], server: RedisServer) -> None:
    limits = worker(after=0.2)
    calls = await admitted(limits, [PLACES, TOKENS], times=3)
    server.stop()
    for call in calls:
        limits.settle(call, Spent(tokens=10))
    with pytest.raises(LimitsUnavailable):
        await limits.reserve("meanwhile", [PLACES])
    server.resume()
    await until(lambda: limits.up)
    assert (await limits.reserve("after", [TOKENS])).standings[0].remaining == 870
    assert len(await admitted(limits, [PLACES], times=10)) == 3


async def test_a_redis_that_has_lost_everything_is_used_again(
    worker: Callable[..., RedisLimits], server: RedisServer
) -> None:
    limits = worker()
    lost: list[float] = []
    limits.lost = lambda: lost.append(asyncio.get_running_loop().time())
    limits.restore([])
    (call,) = await admitted(limits, [PLACES, TOKENS], times=1)
    assert not lost
    server.kill()
    with pytest.raises(LimitsUnavailable):
        await limits.reserve("meanwhile", [PLACES])
    server.start()
    await until(lambda: limits.up)
    limits.settle(call, Spent(tokens=10))
    assert len(await admitted(limits, [PLACES], times=10)) == 3
    await until(lambda: bool(lost))  # so that it is told what was used


async def test_the_places_of_a_worker_are_free_when_another_takes_its_place(
    worker: Callable[..., RedisLimits],
) -> None:
    first, neighbour = worker("a"), worker("b")
    assert len(await admitted(first, [PLACES], times=10)) == 3
    assert len(await admitted(neighbour, [PLACES], times=10)) == 0
    worker("a")
    found: list[str] = []
    for _ in range(100):
        if found := await admitted(neighbour, [PLACES], times=10):
            break
    assert len(found) == 3


async def test_the_places_of_a_worker_that_ends_are_free(worker: Callable[..., RedisLimits]) -> None:
    first, neighbour = worker("a"), worker("b")
    assert len(await admitted(first, [PLACES], times=10)) == 3
    await first.close()
    assert len(await admitted(neighbour, [PLACES], times=10)) == 3


async def test_the_places_of_a_worker_that_gives_no_sign_of_life_are_free_after_its_lease(
    worker: Callable[..., RedisLimits],
) -> None:
    first, neighbour = worker("a"), worker("b")
    assert len(await admitted(first, [PLACES], times=10)) == 3
    first._beats.cancel()
    found: list[str] = []
    for _ in range(LEASE * 40):
        found = await admitted(neighbour, [PLACES], times=10)
        if found:
            break
        await asyncio.sleep(0.05)
    assert len(found) == 3
    assert len(await admitted(first, [PLACES], times=10)) == 0
    assert len(await admitted(first, [MANY], times=10)) == 10


async def test_redis_holds_no_names_and_nothing_for_ever(
    worker: Callable[..., RedisLimits], server: RedisServer
) -> None:
    import redis.asyncio

    limits = worker()
    await limits.reserve("call", [PLACES, ask("requests", 1, limit=9, per="minute", subject="jane@example.com")])
    async with redis.asyncio.from_url(server.url) as client:
        keys = [key async for key in client.scan_iter(f"{limits._prefix}*")]
        assert len(keys) == 4
        assert all(b"jane" not in key and b"{" in key for key in keys)
        assert all([await client.pttl(key) > 0 for key in keys])
