"""Port: signatures of tokens, verified by an issuer's public keys; what the claims mean is not its business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from modelwright.core.contracts.snapshot import Issuer


class SigningKeyMissing(Exception):
    """The issuer's keys, as we know them, hold none that the token names: they may have been changed."""

    def __init__(self, issuer: Issuer) -> None:
        super().__init__(issuer.name)
        self.issuer = issuer


class Keyring(Protocol):
    """The keys of one issuer."""

    def payload(self, token: bytes) -> bytes:
        """What was signed. Raises Unauthenticated for a bad signature or algorithm, and SigningKeyMissing."""
        ...


Keyrings = Callable[[Issuer], Keyring]
"""Makes the keyring of an issuer; keys that cannot be used are left out."""
