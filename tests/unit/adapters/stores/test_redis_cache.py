"""Redis behind the cache: stopped, killed, restarted, filled with something else; never more than a miss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis import Redis

from modelwright.adapters.stores.memory_cache import MemoryCache
from modelwright.adapters.stores.redis_cache import PATIENCE, PREFIX, RedisCache
from modelwright.core.ports.cache import Kept
from tests.making.redis_server import RedisServer

ONE, OTHER = b"1" * 32, b"2" * 32
KEPT = Kept(at=1.0, body=b"answer", tokens=7)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


@pytest.fixture
async def caches(server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[tuple[RedisCache, RedisCache]]:
    """Two workers' caches; the second has no memory of its own. They have patience, unless a test is about that."""
    patience = getattr(request, "param", 10.0)
    both = tuple(
        RedisCache(server.url, near=MemoryCache(time.time, limit=room), now=time.time, patience=patience)
        for room in (1 << 20, 0)
    )
    for cache in both:
        await cache.open()
    yield both[0], both[1]
    for cache in both:
        await cache.close()


async def settle(cache: RedisCache) -> None:
    await asyncio.gather(*cache._tasks.values())


async def well(cache: RedisCache) -> None:
    for _ in range(500):
        if cache.up:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come back")


async def test_what_one_worker_keeps_another_finds(caches: tuple[RedisCache, RedisCache]) -> None:
    one, other = caches
    one.put([(ONE, KEPT)], ttl=60.0)
    await settle(one)
    found = await asyncio.gather(*(other.get([ONE, OTHER]) for _ in range(20)))
    assert [list(each) for each in found] == [[KEPT, None]] * 20


@pytest.mark.parametrize("caches", [0.5], indirect=True)
async def test_a_stopped_redis_costs_its_patience_once_and_then_nothing(
    caches: tuple[RedisCache, RedisCache], server: RedisServer
) -> None:
    one, other = caches
    one.put([(ONE, KEPT)], ttl=60.0)
    await settle(one)
    server.stop()
    assert list(await one.get([ONE])) == [KEPT]
    assert await asyncio.gather(*(other.get([ONE]) for _ in range(20))) == [[None]] * 20
    assert not other.up
    assert list(await other.get([ONE])) == [None]
    server.resume()
    await well(other)
    assert list(await other.get([ONE])) == [KEPT]


@pytest.mark.parametrize("caches", [PATIENCE], indirect=True)
async def test_a_delay_of_our_own_is_not_taken_for_one_of_redis(caches: tuple[RedisCache, RedisCache]) -> None:
    one, other = caches
    one.put([(ONE, KEPT)], ttl=60.0)
    await settle(one)
    asking = asyncio.ensure_future(other.get([ONE]))
    for _ in range(5):
        await asyncio.sleep(0)
    time.sleep(0.05)  # noqa: ASYNC251 - the delay under test
    assert list(await asking) == [KEPT]
    assert other.up


async def test_a_redis_that_dies_and_comes_back_empty_is_used_again(
    caches: tuple[RedisCache, RedisCache], server: RedisServer
) -> None:
    one, other = caches
    server.kill()
    assert list(await one.get([ONE])) == [None]
    one.put([(ONE, KEPT)], ttl=60.0)
    assert list(await one.get([ONE])) == [KEPT]
    server.start()
    assert list(await other.get([OTHER])) == [None]
    await well(one)
    await well(other)
    one.put([(OTHER, KEPT)], ttl=60.0)
    await settle(one)
    assert list(await other.get([OTHER])) == [KEPT]


async def test_what_cannot_be_read_is_a_miss(caches: tuple[RedisCache, RedisCache], server: RedisServer) -> None:
    with Redis.from_url(server.url) as client:
        client.set(PREFIX + ONE, b"\xc1 of another version")
        client.set(PREFIX + OTHER, b"")
    assert list(await caches[1].get([ONE, OTHER])) == [None, None]
    assert caches[1].up


async def test_writes_that_wait_are_bounded(caches: tuple[RedisCache, RedisCache], server: RedisServer) -> None:
    one, _ = caches
    server.stop()
    for number in range(100):
        one.put([(number.to_bytes(32, "big"), Kept(at=1.0, body=bytes(1 << 20)))], ttl=60.0)
    assert one._waiting <= 16 << 20
    server.resume()


async def test_without_redis_at_the_start_it_is_a_memory(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        server.kill()
        cache = RedisCache(server.url, near=MemoryCache(time.time), now=time.time)
        await cache.open()
        cache.put([(ONE, KEPT)], ttl=60.0)
        assert list(await cache.get([ONE, OTHER])) == [KEPT, None]
        server.start()
        await well(cache)
        await cache.close()


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="scheme"):
        RedisCache("nowhere", near=MemoryCache(time.time), now=time.time)
