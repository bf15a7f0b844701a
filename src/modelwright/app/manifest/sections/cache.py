"""Whether and how long an endpoint's answers are kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelwright.app.manifest.sections.section import Duration, Name, Section

Ignorable = Literal[
    "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "store", "user"
]
"""Fields that change no answer at the usual vendors; others may read them all the same."""


class ExactSection(Section):
    """The same question gets the same answer."""

    ttl: Duration = Field(default="1h", description="How long an answer is kept.")
    ignore: tuple[Ignorable, ...] = Field(
        default=(),
        strict=False,
        description="Fields of a request that cannot change the answer at your provider, such as user.",
    )


class SemanticSection(Section):
    """A question that means the same gets the same answer."""

    endpoint: Name = Field(description="An endpoint of this file that answers embeddings, with one variant.")
    threshold: float = Field(
        default=0.95, ge=0.5, le=1, allow_inf_nan=False, description="Least cosine of two questions that mean the same."
    )
    check: float = Field(
        default=0.05,
        ge=0.001,
        le=1,
        allow_inf_nan=False,
        description="Share of the hits that are asked all the same, to compare both answers.",
    )
    wrong: float = Field(
        default=0.02,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of the hits that may be wrong; when it is more, the threshold rises by itself.",
    )
    agree: float = Field(
        default=0.9, ge=0, le=1, allow_inf_nan=False, description="Least cosine of two answers that say the same."
    )


class CacheSection(Section):
    """Answers that are kept and given again."""

    exact: ExactSection = Field(default_factory=ExactSection, description="The same question gets the same answer.")
    semantic: SemanticSection | None = Field(
        default=None,
        description="A question that means the same gets the same answer; left out: only the same.",
    )
