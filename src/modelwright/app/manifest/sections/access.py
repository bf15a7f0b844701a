"""Who may call."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelwright.app.manifest.sections.section import Section


class AccessSection(Section):
    """Who may call."""

    auth: Literal["required", "optional", "none"] = Field(
        default="required", description="Whether a call needs an API key; none is for loopback only."
    )
