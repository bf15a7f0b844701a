"""Limits over a real `modelwright up`, asked by OpenAI's own SDK, with a real upstream behind it."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import openai
import pytest

from modelwright.core.contracts.snapshot import Limit, Limits
from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider, GatewayWorker, key, snapshot
from tests.e2e.running import ROOT, Site, modelwright, running

pytestmark = pytest.mark.e2e
GUIDE = ROOT / "docs" / "guide" / "keys-and-budgets.md"
MANIFEST = """\
schema: 1
name: limits
providers:
  dev: {{kind: vllm, base_url: "{url}"}}
endpoints:
  chat: {{variants: {{main: {{provider: dev, model: vendor-model}}}}}}
access: {{limits: {limits}}}
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--delay", "50ms") as running_provider:
        yield running_provider


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory, provider: DevProvider) -> Iterator[GatewayWorker]:
    with GatewayWorker(tmp_path_factory.mktemp("limits"), snapshot(provider.base_url)) as running_worker:
        yield running_worker


NUMBERS = count(1)


@contextmanager
def limited(worker: GatewayWorker, *each: Limit) -> Iterator[openai.OpenAI]:
    """A client with a key and a tenant of its own, under these limits."""
    number = next(NUMBERS)
    secret, known = key(number, tenant=f"tenant-{number}")
    worker.change(limits=Limits(each=each), keys=(known,))
    with openai.OpenAI(base_url=f"http://127.0.0.1:{worker.port}/v1", api_key=secret, max_retries=0) as asking:
        yield asking


def per_hour(amount: int, *, of: str = "requests", by: str = "key") -> Limit:
    return Limit(by=by, of=of, amount=amount, per="hour")


def client(site: Site) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{site.public}/v1", api_key=site.key, max_retries=0)


def ask(asking: openai.OpenAI, **options: Any) -> Any:
    """One call; its answer with the headers."""
    return asking.chat.completions.with_raw_response.create(
        **{"model": "chat", "messages": [{"role": "user", "content": "Hi"}], **options}
    )


def status(asking: openai.OpenAI, **options: Any) -> int:
    try:
        return ask(asking, **options).status_code
    except openai.APIStatusError as error:
        return error.status_code


def test_the_guide_is_right(tmp_path: Path, provider: DevProvider) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    text = f"schema: 1\nname: guide\n{block}".replace("http://127.0.0.1:9009/v1", provider.base_url)
    told = dict(re.findall(r"^(x-ratelimit-[a-z-]+): (.*)$", GUIDE.read_text("utf-8"), re.MULTILINE))
    with running(text, folder=tmp_path) as site, client(site) as asking:
        patient(lambda: status(asking, max_tokens=10**6) == 429, waiting_for="the gateway")
        first = ask(asking)
        assert set(told) == {name for name in first.headers if name.startswith("x-ratelimit-")}
        assert first.headers["x-ratelimit-limit-requests"] == told["x-ratelimit-limit-requests"] == "3"
        assert first.headers["x-ratelimit-remaining-requests"] == told["x-ratelimit-remaining-requests"]
        assert re.fullmatch(r"1m[0-3]s", first.headers["x-ratelimit-reset-requests"])
        assert int(first.headers["x-ratelimit-remaining-tokens"]) == int(told["x-ratelimit-remaining-tokens"])
        assert int(ask(asking).headers["x-ratelimit-remaining-tokens"]) > 95_000
        ask(asking)
        with pytest.raises(openai.RateLimitError) as caught:
            ask(asking)
        assert caught.value.code == "rate_limited"
        assert 50 < int(caught.value.response.headers["retry-after"]) <= 63


def test_parallel_calls_pass_no_more_than_the_limit(tmp_path: Path, provider: DevProvider) -> None:
    provider.fails()
    text = MANIFEST.format(url=provider.base_url, limits="{key: {requests: 20/hour}, tenant: {tokens: 100k/day}}")
    with running(text, folder=tmp_path) as site, client(site) as asking, ThreadPoolExecutor(50) as pool:
        statuses = list(pool.map(lambda _: status(asking), range(200)))
    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == 20 == len(provider.requests)


def test_a_restart_forgets_no_budget(tmp_path: Path, provider: DevProvider) -> None:
    provider.fails()
    limits = (
        '{key: {requests: 6/month, tokens: 1M/month}, tenant: {cost: "1 USD/month"}, user: {cost: "1 USD/month"}, '
        'endpoint: {requests: 9k/hour}, keys: {ci: {requests: 3/month}}, tenants: {acme: {cost: "90 USD/month"}}}'
    )
    prices = "kind: vllm, prices: {vendor-model: {input: 1000, output: 2000}}"
    text = MANIFEST.format(url=provider.base_url, limits=limits).replace("kind: vllm", prices)
    left: list[tuple[int, int]] = []

    def note(asking: openai.OpenAI) -> None:
        told = ask(asking, max_tokens=3).headers
        left.append((int(told["x-ratelimit-remaining-requests"]), int(told["x-ratelimit-remaining-tokens"])))

    with running(text, folder=tmp_path) as site, client(site) as asking:
        for _ in range(2):
            note(asking)
        pid = site.part("gateway-0").pid
        os.kill(pid, signal.SIGKILL)
        site.wait_for("gateway-0", "ready", restarts=1)
        note(asking)
        made = json.loads(
            modelwright("keys", "create", "ci", "--tenant", "acme", "-f", str(site.manifest), "--json").stdout
        )
        mine = client(site).with_options(api_key=made["key"])
        assert ask(mine, max_tokens=3).headers["x-ratelimit-limit-requests"] == "3"
        assert status(mine, max_tokens=2000, user="someone") == 429, "the user's dollar"
    with running(tmp_path / "modelwright.yaml") as site, client(site) as asking:
        note(asking)
        mine = client(site).with_options(api_key=made["key"])
        assert [status(mine, max_tokens=3) for _ in range(3)] == [200, 200, 429]
        turned = json.loads(modelwright("keys", "rotate", "ci", "-f", str(site.manifest), "--json").stdout)
        heir = client(site).with_options(api_key=turned["key"])
        assert ask(heir, max_tokens=3).headers["x-ratelimit-limit-requests"] == "3", "the name stays"
        assert [requests for requests, _ in left] == [5, 4, 3, 2]
        assert len({before - after for (_, before), (_, after) in pairwise(left)}) == 1
        with pytest.raises(openai.RateLimitError) as caught:
            ask(asking, max_tokens=480)  # would fit into a budget that has forgotten what was spent
        assert caught.value.code == "budget_exhausted"


def test_two_workers_that_would_count_apart_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "modelwright.yaml"
    text = MANIFEST.format(url="http://127.0.0.1:9/v1", limits="{key: {requests: 1/min}}")
    path.write_text(f"{text}gateway: {{workers: 2}}\n")
    for verb in ("check", "up"):
        found = modelwright(verb, "-f", str(path))
        assert found.returncode != 0
        told = found.stdout + found.stderr
        assert "access.limits" in told
        assert "2 gateway workers would each count for themselves" in told
        assert "gateway.workers: 1" in told


def test_our_own_refusal_is_told_apart_from_the_providers(worker: GatewayWorker, provider: DevProvider) -> None:
    provider.fails("429x1")
    with limited(worker, per_hour(1)) as asking:
        with pytest.raises(openai.RateLimitError) as theirs:
            ask(asking)
        with pytest.raises(openai.RateLimitError) as ours:
            ask(asking)
    assert (theirs.value.code, ours.value.code) == ("provider_rate_limited", "rate_limited")
    assert int(ours.value.response.headers["retry-after"]) > 3000


def test_a_call_that_one_limit_refuses_takes_nothing_of_another(worker: GatewayWorker, provider: DevProvider) -> None:
    provider.fails()
    with limited(worker, per_hour(3), per_hour(1, by="user"), per_hour(100_000, of="tokens", by="tenant")) as asking:
        assert [status(asking, user="a") for _ in range(5)] == [200, 429, 429, 429, 429]
        assert [status(asking, user=user) for user in "bcd"] == [200, 200, 429]


def test_a_failed_call_keeps_none_of_its_tokens(worker: GatewayWorker, provider: DevProvider) -> None:
    with limited(worker, Limit(by="key", of="tokens", amount=5000, per="day")) as asking:
        for fault in ("500", "refuse", "401", "429"):
            provider.fails(fault)
            assert status(asking, max_tokens=4000) >= 429
        provider.fails()
        answer = ask(asking, max_tokens=4000)
        used = answer.parse().usage.total_tokens
        left = int(ask(asking, max_tokens=0).headers["x-ratelimit-remaining-tokens"])
    assert 5000 - used - 100 < left < 5000 - used


def test_the_place_of_a_client_that_leaves_is_free_at_once(worker: GatewayWorker, provider: DevProvider) -> None:
    provider.fails("stall@1")
    with limited(worker, Limit(by="endpoint", of="concurrency", amount=4)) as asking:
        streams = [iter(ask(asking, stream=True, timeout=60).parse()) for _ in range(4)]
        for stream in streams:
            next(stream)
        assert status(asking) == 429
        assert worker.busy().in_flight == 4
        asking.close()  # all four clients leave in mid-stream
        patient(lambda: worker.busy().in_flight == 0, waiting_for="the clients to be gone")
    provider.fails()
    with limited(worker, Limit(by="endpoint", of="concurrency", amount=4)) as asking, ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: status(asking), range(4))) == [200] * 4
