"""Costs through a real `modelwright up`: exact in both modes, never 0 for what is not known, currencies apart."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.ledger import LedgerRow
from tests.contracts.asgi_server import Wire
from tests.e2e.clients import ask as tell
from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import ROOT, Site, modelwright, running

pytestmark = pytest.mark.e2e
GUIDE = (ROOT / "docs" / "guide" / "prices.md").read_text("utf-8")
MILLION = Decimal(10**6)


def block(language: str) -> str:
    """The first one of the guide."""
    found = re.search(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--tokens", "9") as running_one:
        yield running_one


@pytest.fixture(scope="module")
def site(provider: DevProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The guide's manifest, with the dev provider in place of its provider."""
    text = block("yaml").replace("http://10.0.0.7:8000/v1", provider.base_url)
    with running(text, folder=tmp_path_factory.mktemp("site")) as running_one:
        yield running_one


@pytest.fixture(autouse=True)
def fresh(provider: DevProvider) -> None:
    provider.fails()


def ask(site: Site, endpoint: str, **fields: Any) -> tuple[int, dict[str, str]]:
    """One call; status and headers."""
    body = {"model": endpoint, "messages": [{"role": "user", "content": "What does this cost, all in all?"}], **fields}
    reply = site.call("POST", "/v1/chat/completions", json.dumps(body).encode())
    return reply.status, reply.headers


def control(site: Site, path: str) -> Any:
    return json.loads(tell(site.runtime / "control.sock", path).body)


def row(site: Site, call: str) -> LedgerRow:
    """The call's outcome, as control has it."""

    def ended() -> bool:
        found = control(site, f"/ledger?call={call}")
        return bool(found) and found[0]["outcome"] != "intent"

    patient(ended, waiting_for="the outcome")
    (found,) = control(site, f"/ledger?call={call}")
    return msgspec.convert(found, LedgerRow)


def sums(site: Site, endpoint: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The ledger's sums of an endpoint, by outcome and currency."""
    found = control(site, "/ledger/summary")
    return {(one["outcome"], one["currency"]): one for one in found if one["endpoint"] == endpoint}


def priced(found: LedgerRow) -> Decimal:
    """What the guide's `large` costs, in decimals."""
    assert found.input_tokens is not None
    assert found.cached_tokens
    assert found.output_tokens is not None
    assert found.reasoning_tokens
    return (
        (found.input_tokens - found.cached_tokens) * Decimal("0.15")
        + found.cached_tokens * Decimal("0.075")
        + (found.output_tokens - found.reasoning_tokens) * Decimal("0.60")
        + found.reasoning_tokens * Decimal("1.20")
    ) / MILLION


def test_cached_and_reasoning_tokens_cost_what_they_should_streamed_or_not(site: Site) -> None:
    status, headers = ask(site, "assistant")
    assert status == 200
    whole = row(site, headers["x-modelwright-call"])
    assert whole.cost is not None
    assert Decimal(whole.cost) == priced(whole)
    assert (whole.currency, headers["x-modelwright-cost"]) == ("USD", whole.cost)
    told = dict(re.findall(r"^(x-modelwright-[a-z]+): (.*)$", GUIDE, re.MULTILINE))
    assert told == {name: headers[name] for name in ("x-modelwright-cost", "x-modelwright-currency")}
    for fields in ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}):
        status, headers = ask(site, "assistant", **fields)
        assert "x-modelwright-cost" not in headers
        streamed = row(site, headers["x-modelwright-call"])
        assert (streamed.stream, streamed.cost, streamed.currency) == (True, whole.cost, "USD")
    assert Decimal(whole.reserved) >= Decimal(whole.cost)


def test_a_price_per_thousand_tokens_and_per_call_in_another_currency(site: Site) -> None:
    _, headers = ask(site, "draft", max_tokens=5)
    found = row(site, headers["x-modelwright-call"])
    assert (found.currency, found.output_tokens) == ("CNY", 5)
    assert found.input_tokens
    wanted = (found.input_tokens * Decimal("0.0005") + 5 * Decimal("0.002")) / 1000 + Decimal("0.01")
    assert Decimal(found.cost or "0") == wanted


def test_an_unknown_price_is_unpriced_and_seen_and_never_zero(site: Site) -> None:
    before = site.status().parts[0].busy
    assert before is not None
    for stream in (False, True):
        status, headers = ask(site, "trial", stream=stream)
        assert status == 200
        assert "x-modelwright-cost" not in headers
        found = row(site, headers["x-modelwright-call"])
        assert (found.outcome, found.cost) == ("ok", None)
        assert found.output_tokens == 9
    total = sums(site, "trial")["ok", ""]
    assert (total["calls"], total["unpriced"], total["cost"]) == (2, 2, "0")
    line = 'modelwright_unpriced_calls_total{endpoint="trial",operation="chat",variant="main"} 2.0'
    patient(lambda: line in tell(site.runtime / "control.sock", "/metrics").body.decode(), waiting_for="the metric")
    after = site.status().parts[0].busy
    assert after is not None
    assert after.unpriced == before.unpriced + 2
    told = modelwright("status", "-f", str(site.manifest)).stdout
    assert f"The cost of {after.unpriced} calls is not known" in told


def test_another_service_tier_has_no_price_here(site: Site) -> None:
    _, headers = ask(site, "assistant", service_tier="priority")
    assert row(site, headers["x-modelwright-call"]).cost is None
    _, headers = ask(site, "assistant", service_tier="default")
    assert row(site, headers["x-modelwright-call"]).cost is not None


@pytest.mark.parametrize("fault", ["400", "429", "500", "503"])
def test_what_the_provider_did_not_compute_costs_nothing(site: Site, provider: DevProvider, fault: str) -> None:
    provider.fails(fault)
    status, headers = ask(site, "assistant")
    assert status >= 400
    assert row(site, headers["x-modelwright-call"]).cost == "0"


@pytest.mark.parametrize("fault", ["cut@3", "error@3"])
def test_a_stream_that_breaks_off_has_a_cost_that_nobody_knows(site: Site, provider: DevProvider, fault: str) -> None:
    provider.fails(fault)
    _, headers = ask(site, "assistant", stream=True)
    found = row(site, headers["x-modelwright-call"])
    assert found.outcome in {"upstream_truncated", "provider_error"}
    assert found.cost is None
    assert Decimal(found.reserved) > 0


def test_sums_are_exact_and_currencies_never_mix(site: Site) -> None:
    for endpoint in ("assistant", "draft"):
        for _ in range(3):
            ask(site, endpoint, max_tokens=7)
    wanted: dict[tuple[str, str, str], Decimal] = {}
    patient(lambda: all(one["outcome"] != "intent" for one in control(site, "/ledger?limit=1000")))
    for one in control(site, "/ledger?limit=1000"):
        if one["cost"] is not None:
            place = (one["endpoint"], one["outcome"], one["currency"])
            wanted[place] = wanted.get(place, Decimal(0)) + Decimal(one["cost"])
    found = {
        (one["endpoint"], one["outcome"], one["currency"]): Decimal(one["cost"])
        for one in control(site, "/ledger/summary")
    }
    assert {place: found[place] for place in wanted} == wanted
    assert {currency for _, _, currency in wanted} >= {"USD", "CNY"}


def test_a_call_whose_worker_was_killed_is_charged_at_its_reservation(tmp_path: Path, provider: DevProvider) -> None:
    provider.fails("stall@2")
    text = block("yaml").replace("http://10.0.0.7:8000/v1", provider.base_url)
    with running(text, folder=tmp_path) as site:
        body = {"model": "assistant", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100}
        content = json.dumps({**body, "stream": True}).encode()
        with Wire(site.port) as wire:
            head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\nauthorization: Bearer {site.key}\r\n"
            wire.send(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
            _, headers = wire.head()
            os.kill(site.part("gateway-0").pid, signal.SIGKILL)
        found = row(site, headers["x-modelwright-call"])
        assert (found.outcome, found.cost) == ("unresolved", None)
        prompt = -(-len(content) // 3)
        wanted = (prompt * Decimal("0.15") + 100 * Decimal("1.20")) / MILLION
        assert Decimal(found.reserved) == wanted
        total = sums(site, "assistant")["unresolved", "USD"]
        assert (Decimal(total["cost"]), total["unpriced"]) == (wanted, 0)


def test_the_prices_command_says_what_from_where_and_of_which_date(tmp_path: Path) -> None:
    path = tmp_path / "modelwright.yaml"
    extra = 'providers:\n  openai: {kind: openai, keys: ["${secret:KEY}"]}'
    listed = "  listed: {variants: {main: {provider: openai, model: gpt-4o-mini}}}\n"
    path.write_text(block("yaml").replace("providers:", extra) + listed)
    env = {**os.environ, "KEY": "sk-example"}
    found = modelwright("prices", "-f", str(path), "--json", env=env)
    assert found.returncode == 0, found.stderr
    prices = {one["endpoint"]: one for one in json.loads(found.stdout)}
    assert prices["assistant"]["rates"][0]["cached_input"] == "0.075"
    assert prices["draft"]["rates"][0]["input"] == "0.5"
    assert (prices["draft"]["request"], prices["draft"]["currency"]) == ("0.01", "CNY")
    assert (prices["trial"]["priced"], prices["trial"]["reason"] != "") == (False, True)
    mini = prices["listed"]
    assert (mini["rates"][0]["input"], mini["rates"][0]["cached_input"], mini["rates"][0]["output"]) == (
        "0.15",
        "0.075",
        "0.6",
    )
    assert "genai-prices" in mini["source"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", mini["dated"])
    told = modelwright("prices", "-f", str(path), env=env).stdout
    assert mini["dated"] in told
    assert "unpriced: " in told


OWN = """\
schema: 1
name: own
models:
  words: {source: ./toy.json, engine: {kind: toy-text}, price: {second: 0.5, currency: EUR}}
  numbers: {source: ./toy.json, engine: {kind: toy-tensor}, price: {second: 0.25, request: 0.001}}
  counted: {source: ./toy.json, engine: {kind: toy-text}, price: {input: 2, output: 6, per: 1K}}
"""


def test_our_own_models_are_paid_by_the_time_that_their_engine_works_or_by_tokens(tmp_path: Path) -> None:
    (tmp_path / "toy.json").write_text('{"toy": 1, "columns": 2}')
    with running(OWN, folder=tmp_path) as site:
        found: list[LedgerRow] = []
        for stream in (False, True):
            patient(lambda: ask(site, "words", max_tokens=4)[0] == 200, waiting_for="the model")
            _, headers = ask(site, "words", max_tokens=4, stream=stream)
            found.append(row(site, headers["x-modelwright-call"]))
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [1, 2]}
        body = json.dumps({"inputs": [tensor]}).encode()
        reply = site.call("POST", "/v2/models/numbers/infer", body)
        assert reply.status == 200, reply.body
        assert "x-modelwright-machine-us" not in reply.headers
        found.append(row(site, reply.headers["x-modelwright-call"]))
        for one in found:
            assert one.machine_us
            assert one.machine_us / 1000 <= one.latency_ms
            price = ("0.25", "0.001", "USD") if one.operation == "infer" else ("0.5", "0", "EUR")
            wanted = one.machine_us * Decimal(price[0]) / MILLION + Decimal(price[1])
            assert (Decimal(one.cost or "-1"), one.currency) == (wanted, price[2])
        assert Decimal(found[0].reserved) == 600 * Decimal("0.5")
        for stream in (False, True):
            patient(lambda: ask(site, "counted", max_tokens=4)[0] == 200, waiting_for="the model")
            _, headers = ask(site, "counted", max_tokens=4, stream=stream)
            one = row(site, headers["x-modelwright-call"])
            assert one.input_tokens
            assert one.output_tokens
            assert Decimal(one.cost or "-1") == Decimal(2 * one.input_tokens + 6 * one.output_tokens) / 1000


WIRES = """\
schema: 1
name: wires
providers:
  open: {{kind: vllm, base_url: "{url}/v1", prices: {{m: {{input: 3, cached_input: 0.30, output: 15}}}}}}
  claude:
    kind: anthropic
    base_url: "{url}"
    prices: {{m: {{input: 3, cached_input: 0.30, cache_write: 3.75, output: 15}}}}
endpoints:
  open: {{variants: {{main: {{provider: open, model: m}}}}}}
  claude: {{variants: {{main: {{provider: claude, model: m}}}}}}
"""
HI = [{"role": "user", "content": "What does this cost, all in all, when much of it is written into a cache?"}]
ASKS = {
    "/v1/chat/completions": {"messages": HI, "max_tokens": 6},
    "/v1/messages": {"messages": HI, "max_tokens": 6},
    "/v1/responses": {"input": HI, "max_output_tokens": 6, "store": False},
}


def test_every_wire_and_both_modes_cost_the_same_at_one_provider(tmp_path: Path, provider: DevProvider) -> None:
    text = WIRES.format(url=provider.base_url.removesuffix("/v1"))
    with running(text, folder=tmp_path) as site:
        for endpoint in ("open", "claude"):
            for path, body in ASKS.items():
                costs: set[str | None] = set()
                for stream in (False, True):
                    content = json.dumps({**body, "model": endpoint, "stream": stream}).encode()
                    reply = site.call("POST", path, content)
                    assert reply.status == 200, reply.body
                    found = row(site, reply.headers["x-modelwright-call"])
                    costs.add(found.cost)
                assert None not in costs, (endpoint, path, found)
                assert len(costs) == 1, (endpoint, path)
                assert bool(found.cache_write_tokens) == (endpoint == "claude")
                plain = (found.input_tokens or 0) - (found.cached_tokens or 0) - (found.cache_write_tokens or 0)
                wanted = (
                    plain * 3
                    + (found.cached_tokens or 0) * Decimal("0.30")
                    + (found.cache_write_tokens or 0) * Decimal("3.75")
                    + (found.output_tokens or 0) * 15
                ) / MILLION
                assert Decimal(found.cost or "0") == wanted
