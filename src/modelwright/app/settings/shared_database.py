"""Where the database is that several hosts may share, looked up anew for every connection; it opens none."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from modelwright.adapters.stores.postgres_address import PLACE, Address, read_address
from modelwright.app.settings.own_secrets import read_or_create
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError

HOST = "host"
"""In the state directory: which of the hosts this is, whatever its name and address become."""


@dataclass(frozen=True, kw_only=True)
class SharedDatabase:
    """What it takes to open it."""

    text: str
    """As the manifest has it."""
    base: Path
    """The manifest's directory."""
    resolve: Callable[[str], str] = field(repr=False)
    """Fills in secrets as they are now."""
    pepper: bytes = field(repr=False)

    def address(self) -> Address:
        """As it is now; raises StartError."""
        try:
            text = self.resolve(self.text)
        except ModelwrightError as error:
            raise StartError(error.message, hint=error.hint, place=error.place or PLACE) from error
        return read_address(text)

    @property
    def proof(self) -> str:
        """Of the pepper, which does not tell it: hosts with another one would know none of each other's keys."""
        return hmac.digest(self.pepper, b"modelwright hosts share this", hashlib.sha256).hex()[:32]


def host_of(state: Path) -> str:
    """Of this installation; made at first use."""
    return read_or_create(state / HOST)[:16]
