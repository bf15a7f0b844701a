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


class BreakerSection(Section):
    """When a provider that fails is left alone, so that calls fail or fall back at once."""

    failures: int = Field(
        default=5, ge=1, le=100_000, description="It is left alone after so many failures within the window …"
    )
    share: float = Field(
        default=0.5, ge=0, le=1, allow_inf_nan=False, description="… that are at least this share of its requests."
    )
    window: Duration = Field(default="30s", description="How far back failures are counted.")
    rest: Duration = Field(
        default="15s", description="How long it is left alone, up to half as much again; then one call tries it."
    )
