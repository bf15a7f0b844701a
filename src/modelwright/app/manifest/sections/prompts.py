"""Templates for what models are told, kept in versions."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from modelwright.app.manifest.sections.section import Section

ALIAS_PATTERN = r"^[A-Za-z0-9][-A-Za-z0-9._]{0,63}$"

Alias = Annotated[str, StringConstraints(pattern=ALIAS_PATTERN)]


class PromptSection(Section):
    """A named line of versions."""

    source: str = Field(min_length=1, description="Folder of its versions v1.md, v2.md, …, relative to the manifest.")
    aliases: dict[Alias, str] = Field(
        default_factory=dict,
        description="Where an alias starts, such as `live: v1`; from then on `modelwright prompts alias` moves it.",
    )
