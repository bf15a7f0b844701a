"""How much callers may use."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from modelwright.app.manifest.sections.section import Duration, Section
from modelwright.core.limits import zone_of
from modelwright.core.quantities import RATES_PATTERN, parse_rates


def _rates(text: str) -> str:
    parse_rates(text)
    return text


def _zone(text: str) -> str:
    try:
        zone_of(text)
    except ValueError as error:
        raise ValueError(f"{error}; write such as UTC, Europe/Berlin or Asia/Shanghai") from error
    return text


Rates = Annotated[str, AfterValidator(_rates), WithJsonSchema({"type": "string", "pattern": RATES_PATTERN})]
"""600/min, 100k/hour; several as 60/min, 10k/day."""
TimeZone = Annotated[str, AfterValidator(_zone)]
Subject = Literal["tenant", "key", "user", "address", "endpoint"]


class LimitSection(Section):
    """What each one of a kind may use; what is left out is not limited."""

    requests: Rates | None = Field(default=None, description="Calls, such as 600/min; several as 60/min, 10k/day.")
    tokens: Rates | None = Field(
        default=None,
        description="Tokens of prompts and answers, such as 100k/min; reserved first, settled after the call.",
    )
    concurrency: int | None = Field(default=None, ge=1, le=1 << 20, description="Calls under way at once.")


class StoreDownSection(Section):
    """What is done while Redis is away."""

    after: Duration = Field(default="25ms", description="How long a call waits for Redis before it counts as away.")
    rates: Literal["share", "open", "closed"] = Field(
        default="share",
        description="Requests, tokens, concurrency: each worker grants its share of the limit, or all pass, or none.",
    )


class CountingSection(Section):
    """How limits are counted."""

    time_zone: TimeZone = Field(default="UTC", description="Whose calendar the days and months of limits follow.")
    store_down: StoreDownSection = Field(
        default_factory=StoreDownSection, description="What is done while Redis is away."
    )
