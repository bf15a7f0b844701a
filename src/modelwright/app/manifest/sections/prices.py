"""What calls cost, in the words of a provider's price page; amounts are exact decimals, never floats."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from modelwright.app.manifest.sections.section import Section

AMOUNT_PATTERN = r"^\d{1,12}(\.\d{1,30})?$"
PER: dict[str, int] = {"1M": 10**6, "1K": 10**3}
"""Tokens that the amounts are for."""


def _amount(value: Any) -> Decimal:
    """Text, or a number whose shortest form is what was written: a float has 15 digits that come through whole."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("this is no amount; write a number from 0 up, such as 0.15")  # noqa: TRY004 - pydantic's way
    text = format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value).strip()
    if not re.fullmatch(AMOUNT_PATTERN, text, re.ASCII):
        raise ValueError(f"{text!r} is no amount; write a number from 0 up, such as 0.15")
    return Decimal(text)


Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    WithJsonSchema({"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": AMOUNT_PATTERN}]}),
]
"""Zero or more, in whole currency: 0.15, or "0.15"."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
"""ISO 4217."""


class TokenPriceSection(Section):
    """What a provider's model costs. Give `input` and `output`, or `request`, or all; 0 is free."""

    input: Amount | None = Field(default=None, description="Tokens of the prompt.")
    cached_input: Amount | None = Field(
        default=None, description="Tokens of the prompt that the provider had in its cache; by default as input."
    )
    cache_write: Amount | None = Field(
        default=None, description="Tokens of the prompt that the provider puts into its cache; by default as input."
    )
    output: Amount | None = Field(default=None, description="Tokens of the answer.")
    reasoning: Amount | None = Field(
        default=None, description="Tokens of the answer that the client does not see; by default as output."
    )
    request: Amount | None = Field(default=None, description="Each call, beside its tokens.")
    currency: Currency = Field(default="USD", description="ISO 4217 code, such as USD, EUR or CNY.")
    per: Literal["1M", "1K"] = Field(default="1M", description="Tokens that the amounts above are for.")

    def amounts(self) -> dict[str, Decimal]:
        """The amounts that are given, by their words."""
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in found.items() if isinstance(value, Decimal)}


class ModelPriceSection(TokenPriceSection):
    """What a model of yours costs: a second, tokens, each call, or their sum."""

    second: Amount | None = Field(
        default=None,
        description="A second of the engine's time: of each run of it, each call pays its share. Not of an engine with "
        "a server of its own.",
    )
