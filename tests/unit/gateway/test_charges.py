"""Reservations and costs of calls, through a whole gateway in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.snapshot import Caching, Endpoint, Price, ProviderEntry, Retries, Variant
from tests.unit.gateway.world import ANSWER, DONE, QUICK, ROLE, USAGE, Heard, World, answers, chunk, streams

DEAR = Price(input=1000, cached=100, output=10_000, currency="EUR")
CHEAP = Price(input=1, output=10)
FAILS = answers(b"{}", status=500)


def endpoint(first: Price | None, second: Price | None = None, **changes: Any) -> Endpoint:
    """`chat`: by `a`, and when it fails by `b`."""
    return Endpoint(
        name="chat",
        operations=("chat", "completions", "embeddings"),
        variants=(
            Variant(name="a", provider="a", model="m", price=first),
            Variant(name="b", provider="b", model="m", weight=0, price=second),
        ),
        timeouts=QUICK,
        **changes,
    )


def world(script: Any, known: Endpoint) -> World:
    entries = tuple(ProviderEntry(name=name, kind="vllm", base_urls=(f"http://{name}/v1",)) for name in "ab")
    return World(script, endpoints=(known,), providers=entries)


def ask(site: World, body: Any = None, **more: Any) -> Heard:
    return asyncio.run(site.ask(body, **more))


def test_the_intent_holds_the_reservation_and_the_outcome_the_cost() -> None:
    site = world([answers()], endpoint(DEAR))
    body = msgspec.json.encode({"model": "chat", "messages": [], "max_tokens": 50, "n": 2})
    heard = ask(site, body)
    intent, outcome = site.ledger.lines
    held = -(-len(body) // 3) * 1000 + 2 * 50 * 10_000
    assert (intent.reserved, intent.currency, intent.cost) == (f"0.{held:012d}".rstrip("0"), "EUR", None)
    assert (outcome.cost, outcome.currency) == ("0.000000043", "EUR")
    assert heard.headers["x-modelwright-cost"] == "0.000000043"
    assert heard.headers["x-modelwright-currency"] == "EUR"


@pytest.mark.parametrize("limit", ["ten", -5, 1.5, None, [], 1 << 70, {"a": 1}])
def test_a_strange_limit_is_the_providers_business(limit: Any) -> None:
    site = world([answers()], endpoint(DEAR))
    body = {"model": "chat", "messages": [], "max_tokens": limit, "n": limit, "service_tier": None}
    assert ask(site, body).status == 200
    assert site.ledger.lines[-1].cost == "0.000000043"


@pytest.mark.parametrize("tier", ["flex", "priority", ["default"], {"a": 1}, 1])
def test_another_service_tier_is_unpriced(tier: Any) -> None:
    site = world([answers()], endpoint(DEAR))
    heard = ask(site, {"model": "chat", "messages": [], "service_tier": tier})
    assert site.ledger.lines[-1].cost is None
    assert "x-modelwright-cost" not in heard.headers
    assert site.gateway.unpriced == 1


def test_embeddings_reserve_no_answer() -> None:
    site = world([answers(b'{"data":[],"usage":{"prompt_tokens":3}}')], endpoint(Price(input=1000)))
    body = msgspec.json.encode({"model": "chat", "input": "a"})
    ask(site, body, path="/v1/embeddings")
    assert site.ledger.lines[0].reserved == f"0.{-(-len(body) // 3) * 1000:012d}".rstrip("0")
    assert site.ledger.lines[-1].cost == "0.000000003"


def test_a_stream_has_the_same_cost_and_no_header() -> None:
    site = world([streams(ROLE, chunk("Hi"), USAGE, DONE)], endpoint(DEAR))
    heard = ask(site, {"model": "chat", "messages": [], "stream": True})
    assert "x-modelwright-cost" not in heard.headers
    assert site.ledger.lines[-1].cost == "0.000000043"


def test_the_policies_that_settle_find_the_cost() -> None:
    whole = ANSWER.replace(b'{"message"', b'{"finish_reason":"stop","message"')
    site = world([answers(whole)], endpoint(DEAR, cache=Caching(ttl=60.0)))
    ask(site)
    heard = ask(site)
    hit = site.ledger.lines[-1]
    assert (hit.cache, hit.cost, hit.saved, hit.currency) == ("hit", "0", "0.000000043", "EUR")
    assert heard.headers["x-modelwright-cost"] == "0"


def test_every_attempt_has_the_cost_and_the_currency_of_its_own_lane() -> None:
    truncated = answers(b'{"usage":{"prompt_tokens":3,"completion_tokens":4},"error":{"message":"late","code":500}}')
    known = endpoint(DEAR, CHEAP, retries=Retries(attempts=1, backoff=1.0, longest=4.0), fallback=("b",))
    site = world([FAILS, truncated, answers(ANSWER)], known)
    heard = ask(site)
    first, second, last = (line for line in site.ledger.lines if line.outcome != "intent")
    assert [(row.variant, row.cost, row.currency) for row in (first, second)] == [("a", "0", "EUR")] * 2
    assert (last.variant, last.cost, last.currency) == ("b", "0.000000000043", "USD")
    assert heard.headers["x-modelwright-cost"] == last.cost


def test_what_a_lane_without_a_price_answers_keeps_nothing_of_the_one_before() -> None:
    site = world([FAILS, answers()], endpoint(DEAR, None, fallback=("b",)))
    ask(site)
    last = site.ledger.lines[-1]
    assert (last.variant, last.cost, last.currency, last.reserved) == ("b", None, "", "")


def test_a_call_that_asked_nobody_costs_nothing() -> None:
    site = world([], endpoint(DEAR))
    assert ask(site, {"model": "none", "messages": []}).status == 404
    assert (site.ledger.lines[-1].cost, site.gateway.unpriced) == ("0", 0)
