"""Where secrets are kept, besides the environment and files: one section per store."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.section import Duration, Section

RECIPIENT_PATTERN = r"^age1[02-9ac-hj-np-z]{58}$"
Recipient = Annotated[str, StringConstraints(pattern=RECIPIENT_PATTERN)]
"""An X25519 public key, as age-keygen prints it."""


class SecretStoreSection(Section):
    """A store of secrets; what one kind does not know may not be set for it."""

    kind: Literal["age"] = Field(description="age: an encrypted file.")
    optional: bool = Field(
        default=False,
        description="A start goes on without it while it cannot be read or one of its variables is missing.",
    )
    refresh: Duration = Field(default="1m", description="How often it is read again; a file is seen at once.")
    source: str = Field(default="", description="age: the encrypted file.")
    identity: Secret | None = Field(
        default=None, description="age: what opens it, as ${file:path} or ${env:NAME}: AGE-SECRET-KEY-1…"
    )
    recipients: tuple[Recipient, ...] = Field(
        default=(), strict=False, description="age: who may open what is written; none: the identity alone."
    )
