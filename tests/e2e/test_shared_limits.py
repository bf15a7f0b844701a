"""Limits that several gateway workers share in a real Redis: exact, and what happens when one of them is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest

from modelwright.core.contracts.snapshot import Limit, Limits, Price, Variant
from modelwright.core.prices import UNIT, read_money
from tests.e2e.clients import Hammer, patient
from tests.e2e.gateway_site import CHAT, KEY, QUESTION, DevProvider, GatewayWorker, chat_endpoint, snapshot
from tests.e2e.running import running
from tests.making.redis_server import RedisServer

pytestmark = pytest.mark.e2e
MANIFEST = """\
schema: 1
name: shared
providers:
  dev: {{kind: vllm, base_url: "{url}"}}
endpoints:
  chat: {{variants: {{main: {{provider: dev, model: vendor-model}}}}}}
access:
  limits:
    key: {{requests: 5/hour}}
    keys: {{development: {{requests: 20/hour}}}}
    tenant: {{tokens: 1M/day}}
    address: {{concurrency: 300}}
  counting: {{store_down: {{after: 10s, rates: closed}}}}
gateway: {{workers: 2}}
store: {{redis: "${{secret:REDIS_URL}}"}}
"""
BUDGET = 2 * UNIT
PLACES = Limits(each=(Limit(by="key", of="concurrency", amount=3),), down_after=10.0, rates_down="closed")


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider() as running_provider:
        yield running_provider


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as running_server:
        yield running_server


def worker(folder: Path, provider: DevProvider, server: RedisServer, limits: Limits) -> GatewayWorker:
    """A gateway worker as on a host of its own: all of one site share by its name."""
    folder.mkdir(exist_ok=True)
    price = Price(input=UNIT // 1000, output=UNIT // 100)
    chat = chat_endpoint(variants=(Variant(name="main", provider="dev", model="vendor-model", price=price),))
    first = snapshot(provider.base_url, name=folder.parent.name, limits=limits, redis=server.url, endpoints=(chat,))
    return GatewayWorker(folder, first)


def client(port: int, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=key, max_retries=0)


def ask(asking: openai.OpenAI, **options: Any) -> Any:
    return asking.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Hi"}], **options)


def status(asking: openai.OpenAI) -> int:
    try:
        ask(asking)
    except openai.APIStatusError as error:
        return error.status_code
    return 200


def test_two_workers_let_pass_what_one_would(tmp_path: Path, provider: DevProvider, server: RedisServer) -> None:
    provider.fails()
    text = MANIFEST.format(url=provider.base_url)
    with running(text, folder=tmp_path, env={"REDIS_URL": server.url}) as site:
        body = json.dumps(QUESTION).encode()
        with ThreadPoolExecutor(200) as pool:
            statuses = list(pool.map(lambda _: site.call("POST", CHAT, body).status, range(200)))
        assert statuses.count(200) == 20 == len(provider.requests)
        assert statuses.count(429) == 180
        asked = [part.busy.calls for part in site.status().parts if part.kind == "gateway" and part.busy]
        assert len(asked) == 2
        assert all(asked)
        assert not [line for line in site.lines if "redis://" in line]


def test_parallel_calls_spend_no_more_than_a_budget(tmp_path: Path, provider: DevProvider, server: RedisServer) -> None:
    provider.fails("500x5", "cut@2x5")
    limits = Limits(
        each=(Limit(by="tenant", of="cost", amount=BUDGET, per="month", currency="USD"),),
        down_after=10.0,
    )
    with (
        worker(tmp_path / "one", provider, server, limits) as one,
        worker(tmp_path / "two", provider, server, limits) as two,
        ThreadPoolExecutor(100) as pool,
    ):
        question = {**QUESTION, "max_tokens": 4}
        statuses = list(pool.map(lambda number: (one, two)[number % 2].post(question).status, range(200)))
        assert {200, 429} <= set(statuses)
        while one.post(question).status != 429:
            pass
        rows = [row for each in (one, two) for row in each.outcomes()]
        costs = [read_money(row.cost) for row in rows if row.cost]
        reserved = max(read_money(row.reserved) for row in rows if row.reserved)
        unknown = [row for row in rows if row.attempts and row.cost is None]
        held = sum(costs) + sum(read_money(row.reserved) for row in unknown)
        assert BUDGET - reserved < held <= BUDGET
        assert two.post(question).json()["error"]["code"] == "budget_exhausted"


def test_the_places_of_a_killed_worker_are_free(tmp_path: Path, provider: DevProvider, server: RedisServer) -> None:
    provider.fails("stall@1")
    with (
        worker(tmp_path / "one", provider, server, PLACES) as one,
        worker(tmp_path / "two", provider, server, PLACES) as two,
        client(one.port, KEY) as holding,
        client(two.port, KEY) as asking,
    ):
        streams = [iter(ask(holding, stream=True)) for _ in range(3)]
        for stream in streams:
            next(stream)
        provider.fails()
        assert status(asking) == 429
        one.kill()
        one.start()
        patient(lambda: status(asking) == 200, waiting_for="the killed worker's places")
        with ThreadPoolExecutor(3) as pool:
            provider.fails("slow@300ms")
            assert list(pool.map(lambda _: status(asking), range(3))) == [200] * 3
        provider.fails("stall@1")
        again = [iter(ask(asking, stream=True)) for _ in range(3)]
        for stream in again:
            next(stream)
        two.kill()  # and stays away: its lease runs out
        provider.fails()
        with client(one.port, KEY) as other:
            assert status(other) == 429
            patient(lambda: status(other) == 200, waiting_for="the lease to run out")


def test_calls_and_liveness_go_on_while_redis_is_stopped(
    tmp_path: Path, provider: DevProvider, server: RedisServer
) -> None:
    provider.fails()
    each = (Limit(by="key", of="requests", amount=10**6, per="hour"), Limit(by="key", of="concurrency", amount=100))
    with worker(tmp_path / "one", provider, server, Limits(each=each, workers=2)) as one:
        body = json.dumps(QUESTION).encode()
        with Hammer(one.port, CHAT, connections=8, body=body, Authorization=f"Bearer {KEY}") as hammer:
            hammer.wait_for(40)
            server.stop()
            try:
                patient(lambda: "modelwright_limits_away 1.0" in one.metrics(), waiting_for="the breaker to open")
                hammer.wait_for(hammer.answered + 80)
                assert one.get("/healthz").status == 200
                one.change(limits=Limits(each=each, rates_down="closed"))
                refused = one.post()
                assert (refused.status, refused.json()["error"]["code"]) == (503, "limits_unavailable")
                assert "retry-after" in refused.headers
                one.change(limits=Limits(each=each, workers=2))
            finally:
                server.resume()
            patient(lambda: "modelwright_limits_away 0.0" in one.metrics(), waiting_for="Redis")
            hammer.wait_for(hammer.answered + 40)
        assert set(hammer.lost) <= {"status 503"}  # while the rule was to refuse
        assert one.busy().in_flight == 0
