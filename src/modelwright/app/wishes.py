"""What the admin API is asked of lines of versions, whatever they are versions of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

WHO = "Over the Unix socket: who asks. Over TCP the key says so."


class AliasWish(BaseModel):
    """What an alias shall mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    expect: str | None = Field(default=None, description="Only if it means this until now; empty: only a new alias.")
    why: str = Field(description="One line for the history.")
    who: str = Field(default="", description=WHO)
