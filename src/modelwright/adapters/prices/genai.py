"""The price list of the library genai-prices, as it is installed: it downloads nothing, and no price is made up.

A model is left out when its price depends on what answers do not count apart, such as seconds of audio. What a vendor
bills beside tokens for tools of its own (a web search, storage) is in no call's cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib.metadata import version

from genai_prices.data import providers
from genai_prices.data_snapshot import DataSnapshot
from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, StartDateConstraint, TieredPrices
from genai_prices.types import TimeOfDateConstraint as TimeOfDay

from modelwright.core.contracts.snapshot import Price, RatesAbove, RatesAt
from modelwright.core.ports.prices import Listed
from modelwright.core.prices import MILLION, nearest_units

NAME = "genai-prices"
DATES = {"0.2.3": "2026-11-09"}
"""By version: the newest change of a price that its data holds, announced ones aside. The package does not say it."""

_RATES = {
    "input_mtok": "input",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "written",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
}
_REQUEST = "requests_kcount"
_BESIDE = frozenset({"web_searches_kcount", "storage_searches_kcount", "cache_write_5m_mtok", "cache_write_1h_mtok"})
"""Prices of tools, and of cache lifetimes that a row does not tell apart."""
_FREE = ":free"
"""How names of models end that cost nothing: the list has no amounts for them."""
_MEDIA = ("audio", "realtime", "transcribe", "tts", "whisper")
"""Parts of names of models that are paid by sound, even where the list has no price for it yet."""


class GenaiPrices:
    """A PriceList."""

    def __init__(self) -> None:
        self._snapshot = DataSnapshot(providers=providers, from_auto_update=False)
        self._version = version(NAME)

    def find(self, base_url: str, model: str, *, at: float) -> Listed:
        name = f"{NAME} {self._version}"
        try:
            provider, found = self._snapshot.find_provider_model(model, None, None, base_url)
        except LookupError:
            return Listed(reason=f"{name} lists no model of this name at this address")
        base, hours, until = _in_force(found, datetime.fromtimestamp(at, UTC).date())
        reason = _unfit(found.id, (base, *(prices for _, prices in hours)))
        if reason:
            return Listed(reason=f"{name} {reason}")
        request = _given(base).get(_REQUEST, Decimal(0))
        price = Price(
            currency="USD",
            request=nearest_units(_amount(request, prompt=0), per=1000),
            steps=tuple(RatesAbove(above=start, **_rates(base, prompt=start + 1)) for start in _starts(base)),
            hours=tuple(
                RatesAt(begin=_seconds(times.start_time), end=_seconds(times.end_time), **_rates(prices))
                for times, prices in hours
            ),
            until=None if until is None else datetime.combine(until, time(), UTC).timestamp(),
            source=f"{name} ({provider.id}: {found.id})",
            dated=DATES.get(self._version, ""),
            **_rates(base),
        )
        return Listed(price=price)


def _unfit(model: str, every: Sequence[ModelPrice]) -> str:
    """Why prices say nothing of a call; empty when they do."""
    for prices in every:
        other = next((key for key in _given(prices) if key not in {*_RATES, _REQUEST, *_BESIDE}), "")
        if other or any(word in model for word in _MEDIA):
            return f"prices it by more than tokens ({other or 'sound'})"
        if not _given(prices) and not model.endswith(_FREE):
            return "lists it without a price"
    return ""


def _in_force(model: ModelInfo, today: date) -> tuple[ModelPrice, list[tuple[TimeOfDay, ModelPrice]], date | None]:
    """The prices of a day, those of some of its hours that come before them, and the day on which others begin."""
    if isinstance(model.prices, ModelPrice):
        return model.prices, [], None
    hours: list[tuple[TimeOfDay, ModelPrice]] = []
    until: date | None = None
    for one in reversed(model.prices):
        match one:
            case ConditionalPrice(constraint=TimeOfDay() as times):
                hours.append((times, one.prices))
            case ConditionalPrice(constraint=StartDateConstraint(start_date=start)) if start > today:
                until = start if until is None else min(until, start)
            case _:
                return one.prices, hours, until
    return model.prices[0].prices, hours, until


def _given(prices: ModelPrice) -> dict[str, Decimal | TieredPrices]:
    return {key: value for key, value in vars(prices).items() if value is not None}


def _rates(prices: ModelPrice, *, prompt: int = 0) -> dict[str, int]:
    """Units per token, for a prompt of so many tokens."""
    given = _given(prices)
    if not given:
        return {"input": 0, "output": 0}
    amounts = {name: _amount(given[key], prompt=prompt) for key, name in _RATES.items() if key in given}
    return {name: nearest_units(amount, per=MILLION) for name, amount in amounts.items()}


def _amount(value: Decimal | TieredPrices, *, prompt: int) -> Decimal:
    if isinstance(value, Decimal):
        return value
    return next((tier.price for tier in reversed(value.tiers) if prompt > tier.start), value.base)


def _starts(prices: ModelPrice) -> Sequence[int]:
    return sorted(set(_tier_starts(prices)))


def _tier_starts(prices: ModelPrice) -> Iterator[int]:
    for value in _given(prices).values():
        if isinstance(value, TieredPrices):
            yield from (tier.start for tier in value.tiers)


def _seconds(moment: time) -> int:
    """Since midnight UTC; a time without a zone is one of UTC, as the library has it."""
    if moment.tzinfo is not None:
        moment = datetime.combine(date(1970, 1, 1), moment).astimezone(UTC).time()
    return moment.hour * 3600 + moment.minute * 60 + moment.second
