"""Whose token opens the admin door: one that was granted here to an admin's key, or one of an issuer with its scope."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from modelwright.access.keys import recognise
from modelwright.adapters.tokens.jose import JoseKeyring
from modelwright.adapters.tokens.own import OwnTokens
from modelwright.core.contracts.snapshot import Issuer, Key
from modelwright.core.errors.calls import Forbidden, Unauthenticated
from modelwright.core.keys import PREFIX, key_digest
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.tokens import SigningKeyMissing
from modelwright.gateway.identity.tokens import Tokens

LIFE = 600.0
"""Seconds that a granted token lives; its key's end is its end too."""


class Issuers(Protocol):
    """What is to be known of the manifest's issuers."""

    def latest(self) -> tuple[Issuer, ...]:
        """With their keys."""
        ...

    async def read(self, name: str) -> bool:
        """Read an issuer's keys again, if that may be."""
        ...


class AdminTokens:
    """Grants tokens and knows whom they stand for."""

    def __init__(self, *, pepper: bytes, live: Callable[[], tuple[Key, ...]], issuers: Issuers, clock: Clock) -> None:
        """`live` gives the keys that are neither revoked nor expired."""
        self._pepper = pepper
        self._live = live
        self._issuers = issuers
        self._clock = clock
        self._own = OwnTokens(pepper, purpose="admin")
        self._tokens = Tokens((), keyrings=JoseKeyring, clock=clock)

    def client(self, client_id: str, secret: str) -> Key:
        """The key of this id and secret, the whole key or what follows its id; raises Unauthenticated."""
        text = secret if secret.startswith(PREFIX) else f"{PREFIX}{client_id}-{secret}"
        key = recognise(self._live(), key_digest(self._pepper, text), now=self._clock.now())
        if key is None or key.id != client_id:
            raise Unauthenticated("the client's id or secret is wrong", hint="they are the id and secret of a live key")
        return key

    def grant(self, key: Key) -> tuple[str, int]:
        """A token for an admin's key, and the seconds that it lives; raises Forbidden."""
        if key.role != "admin":
            raise Forbidden(f"a key with the role {key.role} does not open the admin door", hint="use an admin's key")
        now = self._clock.now()
        expires = int(min(now + LIFE, key.expires or now + LIFE))
        return self._own.sign(key.id, expires=expires), max(0, expires - int(now))

    async def check(self, token: bytes) -> str:
        """Who bears a token that opens the admin door; raises Unauthenticated, Forbidden."""
        if self._own.is_ours(token):
            return self._bearer_of_own(token)
        try:
            caller = self._known().caller(token)
        except SigningKeyMissing as missing:
            await self._issuers.read(missing.issuer.name)
            try:
                caller = self._known().caller(token)
            except SigningKeyMissing:
                raise Unauthenticated(
                    f"the token is signed by a key that issuer {missing.issuer.name} does not publish",
                    hint="ask the issuer for a new token",
                ) from None
        if "admin" not in caller.roles:
            raise Forbidden("the token bears no scope that opens the admin door", hint="see access.oidc.….admin")
        return caller.id

    def _bearer_of_own(self, token: bytes) -> str:
        """The key must still live, so that revoking it ends its tokens."""
        key_id = self._own.subject(token, now=self._clock.now())
        now = self._clock.now()
        for key in self._live():
            if key.id == key_id and key.role == "admin" and (key.expires is None or key.expires > now):
                return key_id
        raise Unauthenticated("the key that the token was granted to was revoked or has expired", hint="make a new key")

    def _known(self) -> Tokens:
        """Over the issuers as they are known now."""
        issuers = self._issuers.latest()
        if issuers != self._tokens.issuers:
            self._tokens = Tokens(issuers, keyrings=JoseKeyring, clock=self._clock)
        return self._tokens
