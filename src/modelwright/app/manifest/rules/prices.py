"""What must be true of prices: each names an amount, whole in the smallest unit, for a model that somebody asks."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, has_unknown
from modelwright.app.manifest.rules.operations import EMBEDDINGS, TEXT_OPERATIONS, operations_of_model
from modelwright.app.manifest.sections.prices import PER, TokenPriceSection
from modelwright.app.plugins import engine_row
from modelwright.core.nearest import nearest
from modelwright.core.prices import units

_PARTS = {"cached_input": "input", "cache_write": "input", "reasoning": "output"}
"""Tokens that are part of others."""
_TOKENS = {*_PARTS, *_PARTS.values()}


def _token_prices(case: Case) -> Iterator[Finding]:
    for name, provider in case.manifest.providers.items():
        for model, section in provider.prices.items():
            here: Path = ("providers", name, "prices", model)
            if not has_unknown(case, here):
                yield from _token_price(here, section)


def _own_prices(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        here: Path = ("models", name, "price")
        if model.price is None or has_unknown(case, here):
            continue
        yield from _token_price(here, model.price, else_="`second`")
        engine = case.engine(name)
        if engine and engine_row(engine).server and model.price.second is not None:
            problem = f"{engine} has a server of its own, which does not tell its time"
            yield Finding((*here, "second"), problem, "write `input` and `output` instead", on_key=True)
        answers = operations_of_model(case, name)
        if answers is not None and not {*TEXT_OPERATIONS, EMBEDDINGS} & {*answers}:
            for word in _TOKENS & {*model.price.amounts()}:
                problem = f"calls of {name} have no tokens that are counted"
                yield Finding((*here, word), problem, "write `second` or `request` instead", on_key=True)


def _token_price(here: Path, section: TokenPriceSection, *, else_: str = "`request`") -> Iterator[Finding]:
    given = section.amounts()
    if not given:
        yield Finding(here, "names no amount", f"write `input` and `output`, or {else_}; 0 is free")
    for word, amount in given.items():
        yield from _whole((*here, word), amount, per=PER[section.per] if word in _TOKENS else 1)
        whole = _PARTS.get(word)
        if whole is not None and whole not in given:
            yield Finding(
                (*here, word), f"`{word}` stands without `{whole}`, of which it is a part", f"write `{whole}`"
            )


def _whole(place: Path, amount: Decimal | None, *, per: int) -> Iterator[Finding]:
    try:
        units(amount or Decimal(0), per=per)
    except ValueError as error:
        problem, _, remedy = str(error).partition("; ")
        yield Finding(place, problem, remedy)


def unused_prices(case: Case) -> Iterator[Finding]:
    """Prices of models that no variant names: misspelt, as a rule."""
    asked = {
        (variant.provider, variant.model)
        for endpoint in case.manifest.endpoints.values()
        for variant in endpoint.variants.values()
    }
    for name, provider in case.manifest.providers.items():
        models = {model for owner, model in asked if owner == name}
        for model in provider.prices:
            if model not in models:
                close = nearest(model, models)
                remedy = f"did you mean {close}?" if close else "remove it, or name the model in a variant"
                yield Finding(("providers", name, "prices", model), "no variant names this model", remedy, on_key=True)


RULES: Rules = (_token_prices, _own_prices)
