"""How much callers may use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from modelwright.app.manifest.sections.section import Duration, Name, Section
from modelwright.core.limits import zone_of
from modelwright.core.quantities import BUDGETS_PATTERN, RATES_PATTERN, parse_budgets, parse_rates


def _rates(text: str) -> str:
    parse_rates(text)
    return text


def _budgets(text: str) -> str:
    parse_budgets(text)
    return text


def _zone(text: str) -> str:
    try:
        zone_of(text)
    except ValueError as error:
        raise ValueError(f"{error}; write such as UTC, Europe/Berlin or Asia/Shanghai") from error
    return text


Rates = Annotated[str, AfterValidator(_rates), WithJsonSchema({"type": "string", "pattern": RATES_PATTERN})]
"""600/min, 100k/hour; several as 60/min, 10k/day."""
Budgets = Annotated[str, AfterValidator(_budgets), WithJsonSchema({"type": "string", "pattern": BUDGETS_PATTERN})]
"""10 USD/day; several as 10 USD/day, 200 USD/month."""
TimeZone = Annotated[str, AfterValidator(_zone)]


class LimitSection(Section):
    """What each one of a kind may use; what is left out is not limited."""

    requests: Rates | None = Field(default=None, description="Calls, such as 600/min; several as 60/min, 10k/day.")
    tokens: Rates | None = Field(
        default=None,
        description="Tokens of prompts and answers, such as 100k/min; reserved first, settled after the call.",
    )
    cost: Budgets | None = Field(
        default=None,
        description="Money, such as 10 USD/day; several as 10 USD/day, 200 USD/month. Reserved first, settled after.",
    )
    concurrency: int | None = Field(default=None, ge=1, le=1 << 20, description="Calls under way at once.")


class LimitsSection(Section):
    """How much callers may use: each of a kind, and single ones by name."""

    tenant: LimitSection | None = Field(default=None, description="What each tenant may use.")
    key: LimitSection | None = Field(default=None, description="What each API key may use.")
    user: LimitSection | None = Field(default=None, description="What each user of a tenant may use.")
    address: LimitSection | None = Field(default=None, description="What each client address may use.")
    endpoint: LimitSection | None = Field(default=None, description="What all callers of an endpoint may use together.")
    tenants: dict[Name, LimitSection] = Field(
        default_factory=dict,
        description="Single tenants by name; such a limit replaces that of the same kind and window under `tenant`.",
    )
    keys: dict[Name, LimitSection] = Field(
        default_factory=dict, description="Single API keys by name or id; likewise in place of those under `key`."
    )
    endpoints: dict[Name, LimitSection] = Field(
        default_factory=dict, description="Single endpoints by name; likewise in place of those under `endpoint`."
    )

    def each(self) -> Iterator[tuple[str, str, LimitSection]]:
        """(by, whose, limits); `whose` is empty for those of each."""
        general = {
            "tenant": self.tenant,
            "key": self.key,
            "user": self.user,
            "address": self.address,
            "endpoint": self.endpoint,
        }
        for by, section in general.items():
            if section is not None:
                yield by, "", section
        for by, named in (("tenant", self.tenants), ("key", self.keys), ("endpoint", self.endpoints)):
            for whose, section in named.items():
                yield by, whose, section


class StoreDownSection(Section):
    """What is done while Redis is away."""

    after: Duration = Field(default="25ms", description="How long a call waits for Redis before it counts as away.")
    cost: Literal["closed", "open"] = Field(default="closed", description="Limits of cost: no call passes, or all do.")
    rates: Literal["share", "open", "closed"] = Field(
        default="share",
        description="Requests, tokens, concurrency: each worker grants its share of the limit, or all pass, or none.",
    )


class CountingSection(Section):
    """How limits are counted."""

    time_zone: TimeZone = Field(default="UTC", description="Whose calendar the days and months of limits follow.")
    answer: int = Field(
        default=4096,
        ge=1,
        le=1 << 20,
        description="Tokens that are reserved for an answer when neither the call nor its variant limits it.",
    )
    unpriced: Literal["refuse", "allow"] = Field(
        default="refuse", description="What a limit of cost does with a call whose price is not known in its currency."
    )
    store_down: StoreDownSection = Field(
        default_factory=StoreDownSection, description="What is done while Redis is away."
    )
