"""One suite for every store of answers: the one in memory, which is the fake as well, and the one in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
from redis import Redis

from modelwright.adapters.stores.memory_cache import MemoryCache
from modelwright.adapters.stores.redis_cache import RedisCache
from modelwright.core.ports.cache import CacheStore, Kept
from modelwright.core.ports.clock import ManualClock
from tests.making.redis_server import RedisServer

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


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(params=["memory", "redis", "another worker's redis"])
async def store(request: pytest.FixtureRequest, clock: ManualClock) -> AsyncIterator[CacheStore]:
    memory = MemoryCache(clock.now)
    if request.param == "memory":
        yield memory
        return
    server: RedisServer = request.getfixturevalue("server")
    with Redis.from_url(server.url) as client:
        client.flushall()
    # Without room of its own it has only what Redis keeps.
    room = MemoryCache(clock.now, limit=0) if "another" in request.param else memory
    redis = RedisCache(server.url, near=room, now=clock.now, patience=10.0)
    await redis.open()
    yield Settled(redis)
    await redis.close()


class Settled:
    """What is put is there when the next question is asked."""

    def __init__(self, store: RedisCache) -> None:
        self._store = store
        self.put = store.put
        self.bound = store.bound

    async def get(self, keys: Sequence[bytes]) -> Sequence[Kept | None]:
        await asyncio.gather(*self._store._tasks.values())
        return await self._store.get(keys)


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
