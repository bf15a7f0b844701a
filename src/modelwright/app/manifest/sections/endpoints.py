"""Names that clients call, and how each is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from modelwright.app.manifest.sections.cache import CacheSection
from modelwright.app.manifest.sections.guard import GuardSection
from modelwright.app.manifest.sections.routing import RetriesSection
from modelwright.app.manifest.sections.section import Duration, HeaderName, Name, Section


class VariantSection(Section):
    """One way to answer an endpoint: `provider` and `model`, or `serve`."""

    provider: str = Field(default="", description="Name under providers.")
    model: str = Field(default="", description="The provider's own name of the model.")
    serve: str = Field(default="", description="Name under models, or `name@version` for one of several versions.")
    prompt: str = Field(
        default="",
        description="`name@version` or `name@alias` under prompts: its messages go before the client's.",
    )
    parameters: dict[str, Any] = Field(
        default_factory=dict,
        description="Fields of the request that this variant sets, whatever the client sends, such as temperature.",
    )
    weight: float = Field(
        default=1.0, ge=0, le=1e9, allow_inf_nan=False, description="Share of traffic, relative to the other variants."
    )

    @property
    def serves(self) -> str:
        """The model of ours that it names, whatever its version; empty when it names none."""
        return self.serve.partition("@")[0]


class SplitSection(Section):
    """Whose hash chooses the variant."""

    by: Literal["user", "conversation", "key", "tenant", "call"] = Field(
        default="user",
        description="What keeps its variant: a user, a conversation, an API key, a tenant; or every call by itself.",
    )
    header: HeaderName = Field(
        default="",
        description="Header that names the user or the conversation; otherwise the body tells, then the key.",
    )
    replicas: bool = Field(
        default=False, description="Whether it keeps its replica of a model of yours, too, as long as that is ready."
    )
    override: HeaderName = Field(
        default="", description="Header by which a tester names the variant that answers; by default nobody can."
    )


class ShadowSection(Section):
    """A variant that is asked beside the one that answers; its answer is thrown away, its row is kept."""

    variant: Name = Field(description="The variant that is tried.")
    share: float = Field(default=1.0, gt=0, le=1, allow_inf_nan=False, description="Of the endpoint's calls, 0 to 1.")


class TimeoutSection(Section):
    """Durations such as 500ms, 2s, 5m."""

    connect: Duration = Field(default="2s", description="Until the connection stands.")
    first_token: Duration = Field(default="60s", description="Until the first byte of the answer.")
    idle: Duration = Field(default="30s", description="Between two pieces of a stream, given or taken.")
    total: Duration = Field(default="600s", description="The whole call.")


class EndpointSection(Section):
    """A name that clients call."""

    variants: dict[Name, VariantSection] = Field(min_length=1, description="Ways to answer, by name.")
    choose: Literal["weight", "latency", "in_flight", "price"] = Field(
        default="weight",
        description="What decides between variants: their weights, or who is quickest, least busy or cheapest now.",
    )
    split: SplitSection = Field(default_factory=SplitSection, description="Whose hash chooses the variant.")
    shadow: ShadowSection | None = Field(
        default=None, description="A variant that is asked beside the one that answers, to see what it would do."
    )
    timeout: TimeoutSection = Field(default_factory=TimeoutSection, description="How long an answer may take.")
    cache: CacheSection | None = Field(
        default=None, description="Whether answers are kept and given again; left out, every call is asked anew."
    )
    guard: GuardSection | None = Field(
        default=None, description="What is looked for in requests and answers; left out, nothing is."
    )
    retries: RetriesSection = Field(default_factory=RetriesSection, description="When a failed request is sent again.")
    fallback: tuple[Name, ...] = Field(
        default=(),
        strict=False,
        description="Variants that are asked, in this order, when the chosen one fails before its answer has begun.",
    )
