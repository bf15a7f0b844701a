"""The manifest's section `backup`: where `modelwright backup` keeps them, for whom, and how many."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from modelwright.app.manifest.sections.section import Section

Recipient = Annotated[str, StringConstraints(pattern=r"^age1[a-z0-9]{58}$")]
"""An X25519 public key, as `modelwright secrets identity` prints it; no secret."""


class BackupSection(Section):
    """What `modelwright backup` does when no option says otherwise."""

    to: str = Field(
        default="backups",
        min_length=1,
        description="A folder, or s3://bucket/prefix, by the region and endpoint of `store.artifacts`.",
    )
    keep: int = Field(
        default=0, ge=0, le=10_000, description="As many of this project and environment stay there; 0: all."
    )
    recipients: tuple[Recipient, ...] = Field(
        default=(), strict=False, description="Who may open them: public keys of age; no secrets."
    )
