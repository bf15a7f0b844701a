"""Tokens of a snapshot's issuers: whom each stands for, remembered until it expires; it fetches nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import msgspec

from modelwright.core.contracts.snapshot import Issuer
from modelwright.core.errors.calls import Unauthenticated
from modelwright.core.identity import Caller, caller_of_claims
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.tokens import Keyring, Keyrings

MOST_BYTES = 16 << 10
"""Of a token."""
REMEMBERED = 16_384
"""Tokens whose caller is known without verifying them again, by digest: some megabytes at most."""


class Tokens:
    """Verifies a token once, then knows it by its digest."""

    def __init__(
        self, issuers: tuple[Issuer, ...], *, keyrings: Keyrings, clock: Clock, most: int = REMEMBERED
    ) -> None:
        self.issuers = issuers
        self._most = most
        self._now = clock.now
        self._of: dict[str, tuple[Issuer, Keyring]] = {each.issuer: (each, keyrings(each)) for each in issuers}
        self._remembered: dict[bytes, Caller] = {}

    def caller(self, token: bytes) -> Caller:
        """Who bears it; raises Unauthenticated, Forbidden and SigningKeyMissing. Whether it still holds is checked."""
        digest = hashlib.sha256(token).digest()
        caller = self._remembered.get(digest)
        if caller is None:
            caller = self._verified(token)
            if len(self._remembered) >= self._most:
                self._remembered.clear()
            self._remembered[digest] = caller
        elif caller.expires is not None and caller.expires <= self._now():
            self._remembered.pop(digest, None)
            raise Unauthenticated("the token has expired", hint="ask the issuer for a new token")
        return caller

    def _verified(self, token: bytes) -> Caller:
        if len(token) > MOST_BYTES:
            raise Unauthenticated(f"the token is longer than {MOST_BYTES >> 10} KiB", hint="ask for a smaller one")
        issuer, keyring = self._issuer(token)
        claims = _claims(keyring.payload(token))
        return caller_of_claims(claims, issuer, now=self._now())

    def _issuer(self, token: bytes) -> tuple[Issuer, Keyring]:
        """Whose token it says to be, which its signature must prove."""
        parts = token.split(b".")
        named = _claims(_decoded(parts[1])).get("iss") if len(parts) == 3 else None
        found = self._of.get(named) if isinstance(named, str) else None
        if found is None:
            raise Unauthenticated("the token is from no issuer that is known here", hint="use a token or key from here")
        return found


def _claims(payload: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(payload, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError):
        raise Unauthenticated("the token holds no claims", hint="send a JWT that its issuer has signed") from None


def _decoded(part: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        return b""
