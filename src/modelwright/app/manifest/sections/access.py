"""Who may call."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelwright.app.manifest.sections.limits import CountingSection, LimitSection, Subject
from modelwright.app.manifest.sections.section import Section


class AccessSection(Section):
    """Who may call."""

    auth: Literal["required", "optional", "none"] = Field(
        default="required", description="Whether a call needs an API key; none is for loopback only."
    )
    limits: dict[Subject, LimitSection] = Field(
        default_factory=dict,
        description="How much each tenant, key, user, address and endpoint may use; a call must pass all limits.",
    )
    counting: CountingSection = Field(default_factory=CountingSection, description="How limits are counted.")
