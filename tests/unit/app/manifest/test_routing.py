"""What the manifest may say of where calls go, and what of it reaches the snapshot."""

import pytest

from modelwright.app.manifest.load import check_manifest, load_manifest
from modelwright.app.prices.book import PriceBook
from modelwright.app.snapshot import base_snapshot
from modelwright.core.contracts.snapshot import BreakerRule, Retries, Snapshot
from modelwright.core.errors.starting import StartError
from tests.unit.app.manifest.conftest import Write

BEGIN = """
models: {chat: {source: ./chat.gguf}, twice: {source: ./chat.gguf, scale: {min: 2}}}
providers:
  o: {kind: ollama, breaker: {failures: 3, rest: 1m}, prices: {m: {input: 1, output: 2}}}
  p: {kind: ollama, prices: {m: {input: 1, output: 2, currency: EUR}}}
"""
TWO = "variants: {a: {provider: o, model: m}, b: {provider: p, model: m}}"


def problems(write: Write, endpoint: str) -> list[tuple[str, str]]:
    faults = check_manifest(write(f"{BEGIN}\nendpoints: {{e: {{{endpoint}}}}}"), env={}).faults
    return [(fault.key, f"{fault.problem}. {fault.remedy}") for fault in faults]


def snapshot(write: Write, endpoint: str) -> Snapshot:
    loaded = load_manifest(write(f"{BEGIN}\nendpoints: {{e: {{{endpoint}}}}}"), env={})
    prices = PriceBook(loaded.manifest, at=0.0)
    return base_snapshot(loaded, runtime="/run", release="sha256:r", salt="00", prices=prices)


@pytest.mark.parametrize(
    "endpoint",
    [
        f"{TWO}, fallback: [b, a], retries: {{attempts: 3, backoff: 50ms, longest: 2s}}",
        f"{TWO}, choose: latency, split: {{override: x-variant}}",
        "variants: {a: {provider: o, model: m, weight: 0}, b: {provider: p, model: m}}, choose: in_flight",
        "variants: {a: {serve: twice}}, split: {by: conversation, replicas: true}",
        f"{TWO}, split: {{replicas: false}}",
    ],
)
def test_what_is_right(write: Write, endpoint: str) -> None:
    assert problems(write, endpoint) == []


@pytest.mark.parametrize(
    ("endpoint", "key", "says"),
    [
        (f"{TWO}, fallback: [a, c]", "fallback[1]", "there is no variant 'c'. one of a, b"),
        (f"{TWO}, fallback: [a, a]", "fallback[1]", "'a' stands there twice. keep the first"),
        ("variants: {a: {serve: chat}}, fallback: [a]", "fallback", "there is only one variant"),
        (f"{TWO}, choose: latency, split: {{by: user}}", "split.by", "nobody keeps a variant"),
        (f"{TWO}, choose: in_flight, split: {{header: x-user}}", "split.header", "nobody keeps a variant"),
        ("variants: {a: {provider: o, model: m, weight: 9}}, choose: latency", "variants.a.weight", "write 1 or 0"),
        (f"{TWO}, split: {{replicas: true}}", "split.replicas", "no variant is a model of yours with several"),
        ("variants: {a: {serve: chat}}, split: {replicas: true}", "split.replicas", "no variant is a model of yours"),
    ],
)
def test_what_is_wrong(write: Write, endpoint: str, key: str, says: str) -> None:
    ((found, problem),) = problems(write, endpoint)
    assert found == f"endpoints.e.{key}"
    assert says.lower() in problem.lower()


def test_it_reaches_the_snapshot(write: Write) -> None:
    found = snapshot(write, f"{TWO}, fallback: [b, a], retries: {{attempts: 3, longest: 2s}}, choose: in_flight")
    (endpoint, *_) = found.endpoints
    assert (endpoint.fallback, endpoint.choose) == (("b", "a"), "in_flight")
    assert endpoint.retries == Retries(attempts=3, backoff=0.25, longest=2.0)
    assert [provider.breaker for provider in found.providers if provider.kind == "ollama"] == [
        BreakerRule(failures=3, share=0.5, window=30.0, rest=60.0),
        None,
    ]


def test_prices_in_two_currencies_are_not_compared(write: Write) -> None:
    (found,) = problems(write, f"{TWO}, choose: price")
    assert found == (
        "endpoints.e.choose",
        "prices in EUR and USD cannot be compared. give the models prices in one currency",
    )


def test_nor_are_those_of_a_price_list(write: Write) -> None:
    listed = "variants: {a: {provider: l, model: gpt-4o-mini}, b: {provider: p, model: m}}, choose: price"
    providers = 'l: {kind: openai, keys: ["${env:KEY}"]}'
    path = write(f"{BEGIN}  {providers}\nendpoints: {{e: {{{listed}}}}}")
    loaded = load_manifest(path, env={"KEY": "sk-x"})
    prices = PriceBook(loaded.manifest, at=1_700_000_000.0)
    with pytest.raises(StartError, match="priced in EUR and USD"):
        base_snapshot(loaded, runtime="/run", release="sha256:r", salt="00", prices=prices)
