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


class JudgeRule(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else who judges texts: a language model behind an endpoint, or a classifier."""

    endpoint: str = ""
    """An endpoint of ours that answers chat; empty: the endpoint's own classifier of this side is asked."""
    action: str = "block"
    """flag | block: what becomes of a text that it finds fault with."""
    threshold: float | None = None
    """Score, 0 to 1, from which on a text counts as bad; None: the judge says so itself."""
    timeout: float = 2.0
    """Seconds."""
    on_error: str = "block"
    """block | allow: what becomes of a text that it did not judge."""
    concurrency: int = 32
    """Texts that one worker has judged at once; past it a text is not judged."""
    piece: int = 400
    """Characters of a stream that are judged together, of answers."""


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
    judge: JudgeRule | None = None
    """None: nobody else is asked."""


class EndpointGuard(msgspec.Struct, frozen=True, kw_only=True):
    """All of it, for one endpoint."""

    input: GuardSide = GuardSide()
    output: GuardSide = GuardSide()
    on_error: str = "block"
    """block | allow: what becomes of a call whose guard fails itself."""
