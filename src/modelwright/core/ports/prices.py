"""Port: a dated list of published prices, read when a snapshot is built; nothing on a call's way asks it."""

from __future__ import annotations

from typing import Protocol

import msgspec

from modelwright.core.contracts.snapshot import Price


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What a list says of a model."""

    price: Price | None = None
    reason: str = ""
    """Why there is no price, in words that end a sentence; empty when there is one."""


class PriceList(Protocol):
    """One list."""

    def find(self, base_url: str, model: str, *, at: float) -> Listed:
        """The price that holds at a time (Unix seconds) for whoever serves `base_url`, by its own name of the model."""
        ...
