from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.stores.memory_cache import OVERHEAD, SHARE, MemoryCache
from modelwright.core.ports.cache import Kept
from modelwright.core.ports.clock import ManualClock


def kept(size: int) -> Kept:
    return Kept(at=0.0, body=bytes(size))


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


@given(
    st.integers(0, 40_000),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4000), st.integers(0, 90)), max_size=60),
)
async def test_it_never_holds_more_than_it_may_and_counts_what_it_holds(
    limit: int, steps: list[tuple[int, int, int]]
) -> None:
    clock = ManualClock()
    cache = MemoryCache(clock.now, limit=limit)
    for number, size, seconds in steps:
        cache.put([(key(number), kept(size))], ttl=60.0)
        clock.advance(seconds)
        await cache.get([key(number)])
        held = [size for one in range(10) for size in [cache._entries.get(key(one))] if size is not None]
        assert cache.held == sum(len(one.body) + OVERHEAD for _, one in held) <= limit


async def test_the_one_that_was_not_asked_for_longest_goes_first() -> None:
    cache = MemoryCache(ManualClock().now, limit=SHARE * (1000 + OVERHEAD))
    for number in range(SHARE):
        cache.put([(key(number), kept(1000))], ttl=60.0)
    await cache.get([key(0)])
    cache.put([(key(99), kept(1000))], ttl=60.0)
    found = await cache.get([key(0), key(1), key(2), key(99)])
    assert [one is not None for one in found] == [True, False, True, True]
    assert (cache.evicted, len(cache)) == (1, SHARE)


async def test_one_answer_cannot_push_out_all_others() -> None:
    cache = MemoryCache(ManualClock().now, limit=100_000)
    cache.put([(key(1), kept(10)), (key(2), kept(50_000))], ttl=60.0)
    assert [one is not None for one in await cache.get([key(1), key(2)])] == [True, False]


async def test_less_room_takes_hold_at_once() -> None:
    cache = MemoryCache(ManualClock().now)
    cache.put([(key(number), kept(1000)) for number in range(100)], ttl=60.0)
    cache.bound(10_000)
    assert cache.held <= 10_000
    assert (await cache.get([key(99)]))[0] is not None
