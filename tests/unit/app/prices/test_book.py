"""Where a variant's price is looked for."""

from pathlib import Path

import pytest

from modelwright.app.manifest.load import LoadedManifest, load_manifest
from modelwright.app.prices.book import PriceBook
from modelwright.app.prices.told import ShownPrice, ShownRates, shown_prices
from modelwright.app.snapshot import base_snapshot
from modelwright.core.contracts.snapshot import Price, RatesAbove, RatesAt
from modelwright.core.ports.prices import Listed

FILE = """
schema: 1
name: test
models:
  chat: {source: ./chat.gguf}
  paid: {source: ./chat.gguf, price: {second: 0.0002, request: 0.1}}
  both: {source: ./chat.gguf, price: {second: 1, input: 2, cached_input: 1, output: 3}}
providers:
  openai:
    kind: openai
    keys: ["${secret:KEY}"]
    prices:
      own: {input: 0.15, cached_input: "0.075", output: 0.60, currency: EUR}
      thousand: {input: 0.00015, output: 0.0006, cache_write: 0.0002, reasoning: 0.001, per: 1K}
      calls: {request: 0.01}
      vectors: {input: 0.02}
  near: {kind: vllm, base_url: "http://127.0.0.1:9/v1"}
  gone: {kind: openai, keys: ["${secret:MISSING}"], optional: true}
endpoints:
  all:
    variants:
      own: {provider: openai, model: own}
      thousand: {provider: openai, model: thousand}
      calls: {provider: openai, model: calls}
      vectors: {provider: openai, model: vectors}
      listed: {provider: openai, model: listed}
      near: {provider: near, model: listed}
      gone: {provider: gone, model: listed}
      ours: {serve: chat}
  machine: {variants: {paid: {serve: paid}, both: {serve: both}}}
"""
LISTED = Price(
    input=1,
    output=2,
    request=5_000_000_000,
    steps=(RatesAbove(above=1000, input=3, output=4),),
    hours=(RatesAt(begin=1800, end=59_400, input=1),),
    until=1_800_000_000.0,
    source="a list",
    dated="2026-11-09",
)


class FakeList:
    """Lists one model at one address, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, float]] = []

    def find(self, base_url: str, model: str, *, at: float) -> Listed:
        self.asked.append((base_url, model, at))
        return Listed(price=LISTED) if model == "listed" else Listed(reason="the fake does not list it")


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedManifest:
    (tmp_path / "chat.gguf").write_bytes(b"GGUF\x03" + bytes(19))
    (tmp_path / "modelwright.yaml").write_text(FILE, "utf-8")
    return load_manifest(tmp_path / "modelwright.yaml", env={"KEY": "sk-x"})


def prices(loaded: LoadedManifest, fake: FakeList) -> dict[str, Price | None]:
    book = PriceBook(loaded.manifest, at=7.0, price_list=fake)
    snapshot = base_snapshot(loaded, runtime="/run/mw", release="", salt="", prices=book)
    return {variant.name: variant.price for endpoint in snapshot.endpoints for variant in endpoint.variants}


def test_the_manifests_price_comes_first_and_is_exact(loaded: LoadedManifest) -> None:
    found = prices(loaded, FakeList())
    assert found["own"] == Price(currency="EUR", input=150_000, cached=75_000, output=600_000)
    assert found["thousand"] == Price(input=150_000, written=200_000, output=600_000, reasoning=1_000_000)
    assert found["calls"] == Price(input=0, output=0, request=10_000_000_000)
    assert found["vectors"] == Price(input=20_000)
    assert found["paid"] == Price(input=0, output=0, request=100_000_000_000, second=200_000_000)
    assert found["both"] == Price(input=2_000_000, cached=1_000_000, output=3_000_000, second=10**12)


def test_a_list_is_asked_with_the_vendors_address_and_only_for_what_is_left(loaded: LoadedManifest) -> None:
    fake = FakeList()
    assert prices(loaded, fake)["listed"] == LISTED
    assert fake.asked == [("https://api.openai.com/v1", "listed", 7.0)]


def test_what_nobody_prices_has_none(loaded: LoadedManifest) -> None:
    found = prices(loaded, FakeList())
    assert (found["near"], found["gone"], found["ours"]) == (None, None, None)


def test_facts_say_what_from_where_and_of_which_date(loaded: LoadedManifest) -> None:
    book = PriceBook(loaded.manifest, at=7.0, price_list=FakeList())
    found = {price.variant: price for price in shown_prices(loaded, book)}
    assert found["listed"] == ShownPrice(
        endpoint="all",
        variant="listed",
        provider="openai",
        model="listed",
        priced=True,
        currency="USD",
        request="0.005",
        rates=(
            ShownRates(input="0.000001", output="0.000002"),
            ShownRates(input="0.000003", output="0.000004", when="over 1000 tokens of prompt"),
            ShownRates(input="0.000001", when="00:30 to 16:30 UTC"),
        ),
        source="a list",
        dated="2026-11-09",
        until="2027-01-15",
    )
    assert found["own"].source == "manifest"
    assert found["own"].rates == (ShownRates(input="0.15", cached_input="0.075", output="0.6"),)
    assert found["gone"].priced
    assert (found["paid"].second, found["paid"].request, found["paid"].rates) == ("0.0002", "0.1", (ShownRates(),))
    assert (found["both"].second, found["both"].rates) == ("1", (ShownRates(input="2", cached_input="1", output="3"),))
    assert [found[name].reason != "" for name in ("near", "ours")] == [True, True]
