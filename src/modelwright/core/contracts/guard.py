"""Contract, part of the snapshot: what an endpoint's guard looks for, and what it does when it finds it."""

from __future__ import annotations

import msgspec

PII_KINDS = ("card", "iban", "email", "phone", "cn_id", "secret")
"""What `pii` finds."""


class GuardSide(msgspec.Struct, frozen=True, kw_only=True):
    """The requests or the answers of an endpoint. Actions are off | flag | mask | block."""

    pii: str = "off"
    kinds: tuple[str, ...] = PII_KINDS
    """Kinds of PII that are looked for."""


class EndpointGuard(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, for one endpoint."""

    input: GuardSide = GuardSide()
    output: GuardSide = GuardSide()
    on_error: str = "block"
    """block | allow: what becomes of a call whose guard fails itself."""
