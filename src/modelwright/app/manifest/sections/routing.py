"""Where a call goes, and what happens when it fails there."""

from __future__ import annotations

from pydantic import Field

from modelwright.app.manifest.sections.section import Duration, Section


class RetriesSection(Section):
    """When a failed request is sent again, as long as the client has got nothing of an answer."""

    attempts: int = Field(
        default=0, ge=0, le=10, description="How often at most a failed request is sent again; 2 makes three requests."
    )
    backoff: Duration = Field(default="250ms", description="Bound of the first random wait; it doubles with each.")
    longest: Duration = Field(
        default="8s",
        description="Bound of every random wait; a provider that asks for a longer one is left for a fallback.",
    )
