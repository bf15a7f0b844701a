"""The published list, against what its own library computes."""

from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version

import msgspec
import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers

from modelwright.adapters.prices.genai import DATES, NAME, GenaiPrices
from modelwright.adapters.providers.table import ROWS
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Price
from modelwright.core.prices import UNIT, cost

AT = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
"""In one of the hours for which some vendors have other prices."""
ADDRESSES = {
    "openai": "https://api.openai.com/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "mistral": "https://api.mistral.ai/v1",
    "groq": "https://api.groq.com/openai/v1",
    "moonshotai": "https://api.moonshot.cn/v1",
    "zhipuai": "https://open.bigmodel.cn/api/paas/v4",
    "together": "https://api.together.xyz/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "anthropic": "https://api.anthropic.com",
}
LIST = GenaiPrices()
KNOWN = [provider for provider in providers if provider.id in ADDRESSES]
MODELS = [(ADDRESSES[provider.id], model.id) for provider in KNOWN for model in provider.models]


def of(address: str, model: str, *, at: datetime = AT) -> Price | None:
    return LIST.find(address, model, at=at.timestamp()).price


def test_the_data_of_the_installed_version_has_a_date() -> None:
    assert DATES[version(NAME)] == of(ADDRESSES["openai"], "gpt-4o-mini").dated  # type: ignore[union-attr]


def test_the_vendors_addresses_are_those_of_our_table() -> None:
    assert set(ADDRESSES.values()) - {row.base_url for row in ROWS} <= {"https://api.anthropic.com"}


@pytest.mark.parametrize("hour", [0, 2, 8, 17])
@pytest.mark.parametrize("prompt", [1000, 250_000, 1_000_000])
def test_every_listed_model_costs_what_the_library_says(prompt: int, hour: int) -> None:
    at = AT.replace(hour=hour)
    compared = 0
    for address, model in MODELS:
        price = of(address, model, at=at)
        if price is None:
            continue
        answer = 500 if price.output is not None else 0
        written = 40 if price.written is not None else 0
        counted = LedgerRow(
            call="1", at=at.timestamp(), operation="chat", endpoint="e", outcome="ok", attempts=1, input_tokens=prompt,
            cached_tokens=100, cache_write_tokens=written, output_tokens=answer, reasoning_tokens=0,
        )  # fmt: skip
        usage = Usage(
            input_tokens=prompt, cache_read_tokens=100, cache_write_tokens=written or None, output_tokens=answer
        )
        theirs = calc_price(usage, model, provider_api_url=address, genai_request_timestamp=at).total_price
        ours = cost(counted, price)
        assert ours is not None
        # Some of the list's amounts are themselves the result of a division, and are rounded to 1e-6 of a million.
        assert abs(Decimal(ours) / UNIT - theirs) <= Decimal("1e-6"), (address, model)
        compared += 1
    assert compared > 800


def test_models_paid_by_more_than_tokens_are_left_out() -> None:
    for model in ("gpt-4o-mini-audio-preview", "whisper-1", "gpt-image-1"):
        found = LIST.find(ADDRESSES["openai"], model, at=AT.timestamp())
        assert found.price is None
        assert found.reason


def test_an_unknown_model_and_an_unknown_address_have_no_price() -> None:
    assert of(ADDRESSES["openai"], "gpt-of-tomorrow") is None
    assert of("https://llm.example.com/v1", "gpt-4o-mini") is None


def test_a_price_ends_where_an_announced_one_begins() -> None:
    before = datetime(2026, 10, 1, tzinfo=UTC)
    found = [(of(address, model, at=before), address, model) for address, model in MODELS]
    ending = [(price, address, model) for price, address, model in found if price is not None and price.until]
    assert ending
    for price, address, model in ending:
        assert price.until is not None
        later = of(address, model, at=datetime.fromtimestamp(price.until, UTC))
        assert later is not None
        assert later != price


def test_a_price_passes_through_the_snapshots_file() -> None:
    price = of(ADDRESSES["deepseek"], "deepseek-v4-pro")
    assert price is not None
    assert price.hours
    assert msgspec.json.decode(msgspec.json.encode(price), type=Price) == price


def test_a_model_that_is_free_costs_nothing_and_one_without_amounts_is_unpriced() -> None:
    free = of(ADDRESSES["openrouter"], "openai/gpt-oss-20b:free")
    assert free is not None
    assert (free.input, free.output, free.request) == (0, 0, 0)
    assert "without a price" in LIST.find(ADDRESSES["openrouter"], "google/lyria-3-clip-preview", at=0).reason
