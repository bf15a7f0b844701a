"""Two installations with state of their own and two gateway workers each, on one Redis: one limit for all four."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from threading import Event

import pytest

from tests.contracts.asgi_server import Wire
from tests.e2e.clients import patient
from tests.e2e.gateway_site import CHAT, QUESTION, DevProvider
from tests.e2e.running import Site, running
from tests.making.redis_server import RedisServer

pytestmark = pytest.mark.e2e
PLACES, CALLS = 6, 80
MANIFEST = """\
schema: 1
name: hosts
providers:
  dev: {{kind: vllm, base_url: "{url}"}}
endpoints:
  chat: {{variants: {{main: {{provider: dev, model: vendor-model}}}}}}
access:
  limits: {{tenant: {{requests: {calls}/day, concurrency: {places}}}}}
  counting: {{store_down: {{after: 3s, rates: closed}}}}
gateway: {{workers: 2}}
store: {{redis: "${{secret:REDIS_URL}}"}}
"""
BODY = json.dumps(QUESTION).encode()
STREAM = json.dumps({**QUESTION, "stream": True}).encode()


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider() as running_provider:
        yield running_provider


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def hosts(
    tmp_path_factory: pytest.TempPathFactory, provider: DevProvider, redis: RedisServer
) -> Iterator[tuple[Site, Site]]:
    text = MANIFEST.format(url=provider.base_url, calls=CALLS, places=PLACES)
    with ExitStack() as stack:
        sites = [
            stack.enter_context(running(text, folder=tmp_path_factory.mktemp(name), env={"REDIS_URL": redis.url}))
            for name in ("one", "two")
        ]
        yield sites[0], sites[1]


class Crowd:
    """Threads that call both hosts in turn until they are told to stop, and count what they got."""

    def __init__(self, hosts: tuple[Site, Site], threads: int = 12) -> None:
        self.statuses: list[Counter[int]] = [Counter() for _ in hosts]
        self._hosts = hosts
        self._enough = Event()
        self._pool = ThreadPoolExecutor(threads)
        for number in range(threads):
            self._pool.submit(self._call, number % 2)

    def count(self, status: int) -> int:
        return sum(seen[status] for seen in self.statuses)

    def finish(self) -> Counter[int]:
        self._enough.set()
        self._pool.shutdown()
        return self.statuses[0] + self.statuses[1]

    def _call(self, number: int) -> None:
        while not self._enough.wait(0.03):
            self.statuses[number][self._hosts[number].call("POST", CHAT, BODY).status] += 1


def test_one_limit_holds_for_all_workers_of_all_hosts_also_while_redis_is_stopped(
    hosts: tuple[Site, Site], provider: DevProvider, redis: RedisServer
) -> None:
    provider.fails("stall@1")
    with ExitStack() as stack:
        asked = ThreadPoolExecutor(40).map(
            lambda each: _stream(stack, each[0]), zip(cycle(hosts), range(40), strict=False)
        )
        assert Counter(asked) == {200: PLACES, 429: 40 - PLACES}
    provider.fails()
    crowd = Crowd(hosts)
    try:
        patient(lambda: crowd.count(200) >= CALLS // 4, waiting_for="calls")
        redis.stop()
        try:
            patient(lambda: all(seen[503] > 3 for seen in crowd.statuses), waiting_for="both hosts to notice")
            before = crowd.count(200)
            patient(lambda: all(seen[503] > 20 for seen in crowd.statuses), waiting_for="more calls")
            assert crowd.count(200) == before, "nothing passes that cannot be counted"
            assert [host.call("GET", "/healthz").status for host in hosts] == [200, 200]
        finally:
            redis.resume()
        patient(lambda: provider.seen()["received"] >= CALLS - PLACES, waiting_for="the limit")
        refused = crowd.count(429)
        patient(lambda: crowd.count(429) > refused + 40, waiting_for="calls beyond the limit")
    finally:
        seen = crowd.finish()
    assert set(seen) == {200, 429, 503}
    assert provider.seen()["received"] == CALLS - PLACES
    by_worker = [
        part.busy.calls for host in hosts for part in host.status().parts if part.kind == "gateway" and part.busy
    ]
    assert len(by_worker) == 4
    assert all(by_worker)


def _stream(stack: ExitStack, host: Site) -> int:
    """The status of a stream that is held open until the stack is closed."""
    wire = stack.enter_context(Wire(host.port))
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {host.key}\r\ncontent-length: {len(STREAM)}\r\n\r\n"
    )
    wire.send(head.encode() + STREAM)
    return wire.head()[0]
