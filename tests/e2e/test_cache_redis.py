"""Kept answers that two gateway workers share in a real Redis, which then stops."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis

from modelwright.core.contracts.snapshot import Caching, Snapshot
from tests.e2e.clients import patient
from tests.e2e.gateway_site import QUESTION, DevProvider, GatewayWorker, chat_endpoint, key, snapshot
from tests.making.redis_server import RedisServer

pytestmark = pytest.mark.e2e
NUMBERS = count()
OTHER_SECRET, OTHER = key(7, tenant="others")


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--tokens", "8") as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def workers(
    provider: DevProvider, server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[GatewayWorker, GatewayWorker]]:
    known = snapshot(provider.base_url, redis=server.url)
    shared: Snapshot = msgspec.structs.replace(
        known, endpoints=(chat_endpoint(cache=Caching(ttl=600.0)),), keys=(*known.keys, OTHER)
    )
    folder: Path = tmp_path_factory.mktemp("gateways")
    for name in ("one", "two"):
        (folder / name).mkdir()
    with GatewayWorker(folder / "one", shared) as one, GatewayWorker(folder / "two", shared) as two:
        in_touch(server, one, two)
        yield one, two


def in_touch(server: RedisServer, *workers: GatewayWorker) -> None:
    """Until each worker keeps its answers in Redis: at first it has to find it."""
    with Redis.from_url(server.url) as client:
        for worker in workers:
            client.flushall()
            patient(lambda one=worker: bool(ask_something(one) and client.dbsize()), waiting_for="Redis")


def ask_something(worker: GatewayWorker) -> bool:
    return worker.post(asked(f"number {next(NUMBERS)}")).status == 200


def asked(what: str, **more: Any) -> dict[str, Any]:
    return {**QUESTION, "messages": [{"role": "user", "content": what}], **more}


def mark(reply: Any) -> str:
    return reply.headers["x-modelwright-cache"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_what_one_worker_keeps_every_worker_gives(
    provider: DevProvider,
    server: RedisServer,
    workers: tuple[GatewayWorker, GatewayWorker],
    *,
    stream: bool,
) -> None:
    one, two = workers
    provider.fails()
    with Redis.from_url(server.url) as client:
        while True:  # Redis has a few milliseconds to answer, which a busy machine may not give it
            question = asked(f"shared {next(NUMBERS)}", stream=stream)
            kept, made = client.dbsize(), len(provider.requests)
            first = one.post(question)
            assert mark(first) == "miss"
            patient(lambda kept=kept: client.dbsize() > kept, waiting_for="the answer to be kept")
            again = two.post(question)
            if mark(again) == "hit":
                break
            in_touch(server, one, two)
    assert again.body == first.body
    assert len(provider.requests) == made + 1
    assert mark(two.post(question, secret=OTHER_SECRET)) == "miss"


def test_a_stopped_redis_is_a_miss_and_nobody_waits_for_it(
    provider: DevProvider, server: RedisServer, workers: tuple[GatewayWorker, GatewayWorker]
) -> None:
    one, two = workers
    provider.fails()
    kept = asked("kept before")
    one.post(kept)
    server.stop()
    try:
        assert mark(one.post(kept)) == "hit"  # of its own memory
        answers = [two.post(asked(f"stopped {number}")) for number in range(30)]
        assert [(one.status, mark(one)) for one in answers] == [(200, "miss")] * 30
        assert two.get("/healthz").status == 200
        patient(lambda: "modelwright_cache_away 1.0" in two.metrics())
        assert mark(two.post(asked("stopped 1"))) == "hit"
    finally:
        server.resume()
    patient(lambda: "modelwright_cache_away 0.0" in two.metrics(), waiting_for="Redis")
    in_touch(server, one, two)
    assert not [line for line in two.logged() if "redis://" in str(line)]
