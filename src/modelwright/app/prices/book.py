"""Finds what each variant costs: the manifest's own price, otherwise a published list's; it computes no cost."""

from __future__ import annotations

from decimal import Decimal
from importlib import import_module
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec

from modelwright.adapters.providers.table import KINDS
from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.sections.prices import PER, TokenPriceSection
from modelwright.core.contracts.snapshot import Price, Variant
from modelwright.core.ports.prices import Listed, PriceList
from modelwright.core.prices import units

_LIST = "modelwright.adapters.prices.genai:GenaiPrices"


class PriceBook:
    """The prices of one manifest at one time; the published list is loaded when it is asked for the first time."""

    def __init__(self, manifest: Manifest, *, at: float, price_list: PriceList | None = None) -> None:
        """`at` is Unix seconds; `price_list` replaces the published one."""
        self._manifest = manifest
        self._at = at
        self._list = price_list

    def of(self, variant: Variant) -> Listed:
        """The price of a variant's calls, or why there is none."""
        provider = self._manifest.providers.get(variant.provider)
        if provider is None:
            return self._own(variant.model)
        section = provider.prices.get(variant.model)
        if section is not None:
            return Listed(price=price_of(section))
        row = KINDS.get(provider.kind)
        address = provider.base_url or (row.base_url if row is not None else "")
        if not _is_public(address):
            return Listed(reason="the manifest gives it no price, and no list knows an address like its provider's")
        if self._list is None:
            module, _, name = _LIST.partition(":")
            self._list = getattr(import_module(module), name)()
        return self._list.find(address, variant.model, at=self._at)

    def _own(self, model: str) -> Listed:
        section = self._manifest.models[model].price
        if section is None:
            return Listed(reason="a model of ours, and the manifest gives it no price")
        return Listed(price=msgspec.structs.replace(price_of(section), second=units(section.second or Decimal(0))))


def price_of(section: TokenPriceSection) -> Price:
    """The manifest's words as whole units; with neither input nor output, tokens cost nothing."""
    per = PER[section.per]

    def rate(amount: Decimal | None) -> int | None:
        return None if amount is None else units(amount, per=per)

    no_tokens = section.input is None and section.output is None
    return Price(
        currency=section.currency,
        input=0 if no_tokens else rate(section.input),
        cached=rate(section.cached_input),
        written=rate(section.cache_write),
        output=0 if no_tokens else rate(section.output),
        reasoning=rate(section.reasoning),
        request=units(section.request or Decimal(0)),
    )


def _is_public(address: str) -> bool:
    """Whether a published list could know an address: a name with a dot, not a number."""
    host = urlsplit(address).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return "." in host
    return False
