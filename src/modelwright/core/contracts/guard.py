"""Contract, part of the snapshot: what an endpoint's guard looks for, and what it does when it finds it."""

from __future__ import annotations

import msgspec

PII_KINDS = ("card", "iban", "email", "phone", "cn_id", "secret")
"""What `pii` finds."""


class GuardRule(msgspec.Struct, frozen=True, kw_only=True):
    """Words of the operator's own."""

    name: str
    action: str
    """allow | flag | mask | block. What an allowed text holds is no finding."""
    words: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    """With `#` for a digit, `?` for a letter or digit, `*` for up to 16 characters without a blank."""


class GuardSide(msgspec.Struct, frozen=True, kw_only=True):
    """The requests or the answers of an endpoint. Actions are off | flag | mask | block."""

    pii: str = "off"
    kinds: tuple[str, ...] = PII_KINDS
    """Kinds of PII that are looked for."""
    rules: tuple[GuardRule, ...] = ()
    injection: str = "off"
    """off | flag | block; of requests only."""
    threshold: int = 8
    """Score at which a text counts as an injection."""
    leak: str = "off"
    """off | flag | block: of answers that tell the call's system message."""
    max_chars: int = 0
    """Characters of all texts together; 0: any number."""


class EndpointGuard(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, for one endpoint."""

    input: GuardSide = GuardSide()
    output: GuardSide = GuardSide()
    on_error: str = "block"
    """block | allow: what becomes of a call whose guard fails itself."""
