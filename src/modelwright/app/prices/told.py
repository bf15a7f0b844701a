"""The prices of a manifest as facts to show: amounts as exact decimals per million tokens; it reads no file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.prices.book import PriceBook
from modelwright.app.snapshot import endpoints
from modelwright.core.contracts.snapshot import Price, Rates, Variant
from modelwright.core.ports.prices import Listed
from modelwright.core.prices import MILLION, money


class ShownRates(msgspec.Struct, frozen=True, kw_only=True):
    """Decimals per million tokens; None: no rate of its own."""

    input: str | None = None
    cached_input: str | None = None
    cache_write: str | None = None
    output: str | None = None
    reasoning: str | None = None
    when: str = ""
    """Which calls have these rates: `over 200000 tokens of prompt`, `00:30 to 16:30 UTC`; empty: all others."""


class ShownPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What one variant costs."""

    endpoint: str
    variant: str
    provider: str
    model: str
    priced: bool
    currency: str = ""
    request: str | None = None
    """Decimal per call."""
    second: str | None = None
    """Decimal per second of our own engine's time."""
    rates: tuple[ShownRates, ...] = ()
    source: str = ""
    """manifest, or the price list with its version and its name of the model."""
    dated: str = ""
    """Date of the price list's data."""
    until: str = ""
    """Date from which another price holds: start again then, or calls are unpriced."""
    reason: str = ""
    """Why there is no price."""


def shown_prices(loaded: LoadedManifest, book: PriceBook) -> list[ShownPrice]:
    """One for every variant of every endpoint, those of providers that are off included."""
    return [
        _shown(variant, book.of(variant), endpoint=endpoint.name)
        for endpoint in endpoints(loaded)
        for variant in endpoint.variants
    ]


def _shown(variant: Variant, found: Listed, *, endpoint: str) -> ShownPrice:
    known = ShownPrice(
        endpoint=endpoint,
        variant=variant.name,
        provider=variant.provider,
        model=variant.model,
        priced=found.price is not None,
        reason=found.reason,
    )
    price = found.price
    if price is None:
        return known
    return msgspec.structs.replace(
        known,
        currency=price.currency,
        request=money(price.request) if price.request else None,
        second=money(price.second) if price.second else None,
        rates=tuple(_rates(price)),
        source=price.source,
        dated=price.dated,
        until="" if price.until is None else datetime.fromtimestamp(price.until, UTC).date().isoformat(),
    )


def _rates(price: Price) -> Iterator[ShownRates]:
    if price.second and not (price.input or price.output):  # it is time that has a price
        yield ShownRates()
        return
    yield _rate(price, when="")
    for step in price.steps:
        yield _rate(step, when=f"over {step.above} tokens of prompt")
    for hours in price.hours:
        yield _rate(hours, when=f"{_clock(hours.begin)} to {_clock(hours.end)} UTC")


def _rate(rates: Rates, *, when: str) -> ShownRates:
    def per_million(units: int | None) -> str | None:
        return None if units is None else money(units * MILLION)

    return ShownRates(
        input=per_million(rates.input),
        cached_input=per_million(rates.cached),
        cache_write=per_million(rates.written),
        output=per_million(rates.output),
        reasoning=per_million(rates.reasoning),
        when=when,
    )


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
