"""Ways to a real Redis, for limits and for kept answers: a cluster whose nodes point to each other, TLS, users."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from modelwright.adapters.limits.redis import Away, RedisLimits
from modelwright.adapters.stores.memory_cache import MemoryCache
from modelwright.adapters.stores.redis_cache import PREFIX, RedisCache
from modelwright.app.system import SystemClock
from modelwright.core.contracts.snapshot import Limit
from modelwright.core.errors.calls import LimitsUnavailable
from modelwright.core.limits import Ask, Rule, Spent, zone_of
from modelwright.core.ports.cache import Kept
from tests.making.certificates import make_certificates
from tests.making.ports import free_port
from tests.making.redis_server import RedisCluster, RedisServer

HOUR = Rule(Limit(by="key", of="requests", amount=10, per="hour"), zone_of("UTC"))
TOKENS = Rule(Limit(by="tenant", of="tokens", amount=1000, per="day"), zone_of("UTC"))
ASKS = (Ask(HOUR, "a", 1), Ask(TOKENS, "t", 10))
ONE, KEPT = bytes(32), Kept(at=1.0, body=b"body")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with RedisCluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """The authority's file and the port of a server with TLS, on which the user `ours` needs a password."""
    folder = make_certificates(tmp_path_factory.mktemp("certificates"))
    port = free_port()
    files = ("--tls-cert-file", "server.pem", "--tls-key-file", "server.key", "--tls-ca-cert-file", "authority.pem")
    named = [str(folder / word) if word.endswith((".pem", ".key")) else word for word in files]
    user = "ours on >pass:word ~mw:* ~modelwright:* +@all -@dangerous"
    options = ("--tls-port", str(port), "--tls-auth-clients", "no", *named, "--user", *user.split())
    with RedisServer(folder, *options):
        yield folder / "authority.pem", port


@asynccontextmanager
async def limits_at(url: str, site: str = "", *, after: float = 5.0) -> AsyncIterator[RedisLimits]:
    away = Away(rates="closed", after=after)
    limits = RedisLimits(url, site=site or uuid4().hex, place=uuid4().hex, clock=SystemClock(), away=away)
    yield limits
    await limits.close()


@asynccontextmanager
async def cache_at(url: str) -> AsyncIterator[RedisCache]:
    cache = RedisCache(url, near=MemoryCache(time.time, limit=0), now=time.time, patience=10.0)
    await cache.open()
    yield cache
    await cache.close()


async def admitted(limits: RedisLimits, *, times: int) -> list[str]:
    calls = [uuid4().hex for _ in range(times)]
    verdicts = await asyncio.gather(*(limits.reserve(call, ASKS) for call in calls))
    return [call for call, verdict in zip(calls, verdicts, strict=True) if verdict.refused is None]


async def kept_there(cache: RedisCache) -> bool:
    """Whether an answer that was put comes back, once Redis is well."""
    for _ in range(3000):
        cache.put([(ONE, KEPT)], ttl=60.0)
        if cache.up and list(await cache.get([ONE])) == [KEPT]:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_a_cluster_s_nodes_are_found_and_followed_and_all_limits_stay_one_step(cluster: RedisCluster) -> None:
    first, second = cluster.nodes
    site = uuid4().hex
    async with limits_at(first.url, site) as one, limits_at(second.url, site) as other:
        calls = [*await admitted(one, times=30), *await admitted(other, times=30)]
        assert len(calls) == 10, "both count in the one node that has the slot"
        cluster.move(f"mw:{{{site}}}:workers")
        assert await admitted(one, times=5) == await admitted(other, times=5) == []
        one.settle(calls[0], None)
        one.settle(calls[1], Spent(tokens=1))
        assert len([*await admitted(one, times=5), *await admitted(other, times=5)]) == 1
        assert (one.up, other.up) == (True, True)


async def test_nobody_waits_for_a_node_that_does_not_answer_after_it_got_the_slot(cluster: RedisCluster) -> None:
    first, second = cluster.nodes
    site = uuid4().hex
    async with limits_at(second.url, site, after=0.9) as limits:
        assert len(await admitted(limits, times=4)) == 4
        cluster.move(f"mw:{{{site}}}:workers")
        first.stop()
        with pytest.raises(LimitsUnavailable):
            await limits.reserve("call", ASKS)
        first.resume()
        for _ in range(3000):
            if limits.up:
                break
            await asyncio.sleep(0.02)
        assert len(await admitted(limits, times=20)) == 6


async def test_a_node_that_is_lost_is_followed_by_its_replica(tmp_path: Path) -> None:
    with RedisCluster(tmp_path) as cluster:
        replica, lost = cluster.replicate(), cluster.nodes[1]
        async with limits_at(lost.url) as limits:
            assert len(await admitted(limits, times=4)) == 4
            assert cluster.tell(lost, "WAIT", 1, 5000) == 1
            lost.kill()
            with pytest.raises(LimitsUnavailable):
                await limits.reserve("call", ASKS)
            cluster.tell(replica, "CLUSTER", "FAILOVER", "TAKEOVER")
            for _ in range(3000):
                if limits.up:
                    break
                await asyncio.sleep(0.02)
            assert len(await admitted(limits, times=20)) == 6, "the replica knows what was used"


async def test_kept_answers_find_their_node_too(cluster: RedisCluster) -> None:
    first, _ = cluster.nodes
    async with cache_at(first.url) as cache:
        assert await kept_there(cache)
        cluster.move(PREFIX.decode())
        assert await kept_there(cache)


async def test_limits_and_answers_go_over_tls_as_a_user_who_may_do_no_more(sealed: tuple[Path, int]) -> None:
    authority, port = sealed
    url = f"rediss://ours:pass%3Aword@localhost:{port}/0?ssl_ca_certs={authority}"
    async with limits_at(url) as limits, cache_at(url) as cache:
        assert len(await admitted(limits, times=30)) == 10
        assert await kept_there(cache)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rediss://ours:pass%3Aword@localhost:{port}/0", "certificate verify failed"),
        ("rediss://ours:pass%3Aword@127.0.0.1:{port}/0?ssl_ca_certs={ca}", "IP address mismatch"),
        ("rediss://ours:wrong@localhost:{port}/0?ssl_ca_certs={ca}", "invalid username-password pair"),
        ("redis://ours:wrong@localhost:{port}/0", "Connection closed|reset"),
    ],
)
async def test_what_is_in_the_way_is_told(
    sealed: tuple[Path, int], caplog: pytest.LogCaptureFixture, url: str, words: str
) -> None:
    authority, port = sealed
    async with limits_at(url.format(ca=authority, port=port)) as limits:
        with pytest.raises(LimitsUnavailable):
            await limits.reserve("call", ASKS)
    assert "Redis cannot be reached" in caplog.text
    assert any(word in caplog.text for word in words.split("|")), caplog.text
    assert "pass" not in caplog.text.replace("password pair", "")


async def test_a_replica_that_was_a_master_is_left_for_whoever_is_it_now(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        async with limits_at(server.url) as limits:
            assert len(await admitted(limits, times=3)) == 3
            RedisCluster.tell(server, "REPLICAOF", "127.0.0.1", free_port())
            with pytest.raises(LimitsUnavailable):
                await limits.reserve("call", ASKS)
            for _ in range(3):
                with pytest.raises(LimitsUnavailable):
                    await limits.reserve("call", ASKS)
                await asyncio.sleep(0.02)
            assert not limits.up, "a replica counts as away"
            RedisCluster.tell(server, "REPLICAOF", "NO", "ONE")
            for _ in range(500):
                if limits.up:
                    break
                await asyncio.sleep(0.02)
            assert len(await admitted(limits, times=20)) == 7
