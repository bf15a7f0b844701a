"""Whether and how long an endpoint's answers are kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelwright.app.manifest.sections.section import Duration, Section

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


class CacheSection(Section):
    """Answers that are kept and given again."""

    exact: ExactSection = Field(default_factory=ExactSection, description="The same question gets the same answer.")
