"""One suite for every store of answers: the one in memory, which is the fake as well."""

from __future__ import annotations

import pytest

from modelwright.adapters.stores.memory_cache import MemoryCache
from modelwright.core.ports.cache import CacheStore, Kept
from modelwright.core.ports.clock import ManualClock

ONE, OTHER = b"1" * 32, b"2" * 32
KEPT = Kept(
    at=1_700_000_000.0,
    body=b'{"choices": []}\xff\x00',
    content_type=b"application/json",
    usage=b"data: {}\n\n",
    chunks=3,
    tokens=7,
    cost="0.00012",
    currency="USD",
)
PLAIN = Kept(at=1.5, body=b"")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory"])
def store(request: pytest.FixtureRequest, clock: ManualClock) -> CacheStore:
    assert request.param
    return MemoryCache(clock.now)


async def test_gives_back_every_field(store: CacheStore) -> None:
    store.put([(ONE, KEPT), (OTHER, PLAIN)], ttl=60.0)
    assert list(await store.get([ONE, OTHER])) == [KEPT, PLAIN]


async def test_answers_in_the_order_of_the_keys_and_has_nothing_for_unknown_ones(store: CacheStore) -> None:
    store.put([(ONE, KEPT)], ttl=60.0)
    assert list(await store.get([OTHER, ONE, OTHER, ONE])) == [None, KEPT, None, KEPT]
    assert list(await store.get([])) == []


async def test_what_is_put_again_replaces(store: CacheStore) -> None:
    store.put([(ONE, KEPT)], ttl=60.0)
    store.put([(ONE, PLAIN)], ttl=60.0)
    assert list(await store.get([ONE])) == [PLAIN]


async def test_forgets_after_its_time(store: CacheStore, clock: ManualClock) -> None:
    store.put([(ONE, KEPT)], ttl=60.0)
    clock.advance(59.0)
    assert list(await store.get([ONE])) == [KEPT]
    clock.advance(1.0)
    assert list(await store.get([ONE])) == [None]
