"""What is asked and told about keys, typed by pydantic; it decides nothing."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from modelwright.access.keys import is_live
from modelwright.core.ports.stores import KeyRow


class KeyWish(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Unique among the tenant's live keys: lower-case letters, digits, hyphens.")
    tenant: str = Field(default="default", description="Whose key it is.")
    role: str = Field(default="client", description="client: calls endpoints. admin: opens the admin door.")
    endpoints: tuple[str, ...] = Field(default=(), description="Endpoints that it may call; by default all.")
    expires_in: str | None = Field(
        default=None, description="Lifetime such as 12h or 30d; by default it does not expire."
    )


class RotationWish(BaseModel):
    """A key to be replaced by a new one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    overlap: str = Field(default="24h", description="How long the old key goes on working; 0s ends it at once.")
    expires_in: str | None = Field(
        default=None, description="Lifetime of the new key; by default as long as the old one was made for."
    )


class KeyFacts(BaseModel):
    """A key as everybody may see it. Times are Unix seconds."""

    id: str = Field(description="Public part of the key; it stands in logs and in the ledger.")
    name: str
    tenant: str
    role: str
    endpoints: tuple[str, ...] = Field(description="Endpoints that it may call; empty: all.")
    state: Literal["live", "expired", "revoked"]
    created: float
    expires: float | None
    revoked: float | None
    successor: str = Field(description="Id of the key that takes its place, since it was rotated; empty: none.")

    @staticmethod
    def of(row: KeyRow, *, now: float) -> KeyFacts:
        """The facts at this time."""
        return KeyFacts(**_facts(row, now=now))


class Spread(BaseModel):
    """How far a change has come."""

    serial: int = Field(description="Of the snapshot that holds the change; 0 when none could be written.")
    confirmed: list[str] = Field(description="Gateway workers that answer by it.")
    unconfirmed: list[str] = Field(description="Gateway workers that did not say so in time; they look twice a second.")
    problem: str = Field(default="", description="Why no snapshot could be written; it is tried again.")


class KeyChanged(KeyFacts):
    """A key after its change."""

    spread: Spread | None = Field(description="Null when nothing runs that would have to learn of it.")


class KeyMade(KeyChanged):
    """A key that was just made."""

    key: str = Field(description="The key itself: shown only here, stored nowhere.")


class KeyRotated(KeyMade):
    """A key that takes the place of another."""

    replaces: KeyFacts = Field(description="The old key, which works until it expires.")


def _facts(row: KeyRow, *, now: float) -> dict[str, Any]:
    key = row.key
    state = "live" if is_live(row, now=now) else "expired" if row.revoked is None else "revoked"
    rights = {"tenant": key.tenant, "role": key.role, "endpoints": key.endpoints}
    times = {"created": row.created, "expires": key.expires, "revoked": row.revoked}
    return {"id": key.id, "name": key.name, **rights, "state": state, **times, "successor": row.successor}
