"""APIs that somebody serves."""

from __future__ import annotations

from pydantic import Field

from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.prices import TokenPriceSection
from modelwright.app.manifest.sections.routing import BreakerSection
from modelwright.app.manifest.sections.section import Section


class ProviderSection(Section):
    """An API that somebody serves."""

    kind: str = Field(min_length=1, description="A row of the provider table, such as openai, deepseek or vllm.")
    base_url: str = Field(default="", description="Address of the API; by default the row's own.")
    keys: tuple[Secret, ...] = Field(
        default=(), strict=False, description="API keys, as ${secret:NAME}; several take turns. Never shown."
    )
    optional: bool = Field(default=False, description="Off, and said so, while one of its variables is missing.")
    options: dict[str, str] = Field(
        default_factory=dict, description="What the vendor asks for, such as azure-openai's api_version."
    )
    prices: dict[str, TokenPriceSection] = Field(
        default_factory=dict,
        description="What its models cost, by the provider's own names; they come before every price list.",
    )
    breaker: BreakerSection | None = Field(
        default=None, description="When it is left alone; left out, it is asked whatever happens."
    )
