"""Policy: whose call it is, by an API key's peppered digest or an issuer's token; it knows no users and passwords."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from modelwright.core.errors.calls import Forbidden, IdentityUnavailable, Unauthenticated
from modelwright.core.identity import ANONYMOUS, Caller, caller_of_key
from modelwright.core.keys import PREFIX, key_digest
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.tokens import SigningKeyMissing
from modelwright.core.tasks.task import Principal
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.lanes import Table

if TYPE_CHECKING:
    from modelwright.gateway.identity.source import KeySource
    from modelwright.gateway.identity.tokens import Tokens

REMEMBERED = 4096
"""Secrets whose key is known without another digest; they are forgotten with the snapshot."""
_SEND = "send the header 'Authorization: Bearer mw-…' or 'X-API-Key: mw-…'"
_KEY = PREFIX.encode()
_HERE = re.compile(rb"https?://(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?")
"""Origins of pages that this machine serves."""

Renew = Callable[[str], Awaitable["Authenticate"]]
"""Has the keys of an issuer, by its name, read again if that may be; the policy that is in force then."""


class Authenticate:
    """Puts the caller into the call, and key and tenant into its row."""

    def __init__(
        self,
        table: Table,
        *,
        pepper: bytes,
        clock: Clock,
        source: KeySource,
        tokens: Tokens | None = None,
        renew: Renew | None = None,
    ) -> None:
        """`tokens` are those of the snapshot's issuers; None when it names none."""
        self._keys = table.keys
        self._rule = table.snapshot.auth
        self._issuers = frozenset(issuer.name for issuer in table.snapshot.issuers)
        self._pepper = pepper
        self._now = clock.now
        self._source = source
        self._tokens = tokens
        self._renew = renew
        self._remembered: dict[bytes, Caller] = {}

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        try:
            caller = self.identify(call.headers)
        except SigningKeyMissing as missing:
            return self._proceed_later(missing, call, proceed)
        return proceed_as(caller, call, proceed)

    def identify(self, headers: dict[bytes, bytes]) -> Caller:
        """Who sends a request; raises Unauthenticated, Forbidden, IdentityUnavailable or SigningKeyMissing."""
        if self._rule == "none":
            _check_page(headers)
            return ANONYMOUS
        secret = _presented(headers)
        caller = self._remembered.get(secret)
        if caller is None:
            if not secret and self._rule == "optional":
                return ANONYMOUS
            if self._tokens is not None and secret and not secret.startswith(_KEY):
                return _client(self._tokens.caller(secret), "token")
            caller = self._find(secret)
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[secret] = caller
        if caller.expires is not None and caller.expires <= self._now():
            raise Unauthenticated(f"the API key {caller.id} has expired", hint="ask the operator for a new key")
        return caller

    async def identify_patiently(self, headers: dict[bytes, bytes]) -> Caller:
        """Likewise; a token whose signing key is missing waits until the issuer was asked for its keys."""
        try:
            return self.identify(headers)
        except SigningKeyMissing as missing:
            return await self._identify_anew(missing, headers)

    async def principal(self, headers: dict[bytes, bytes], address: str) -> Principal:
        """Who sends a request, so that `vouch` knows them again later; raises as `identify_patiently`."""
        caller = await self.identify_patiently(headers)
        secret = _presented(headers)
        has_key = bool(caller.id) and (self._tokens is None or secret.startswith(_KEY))
        return Principal(caller=caller, digest=key_digest(self._pepper, secret) if has_key else "", address=address)

    def check_admin(self, headers: dict[bytes, bytes]) -> None:
        """Raise Unauthenticated or Forbidden unless an admin asks; where nobody needs a key, this wants one too."""
        secret = _presented(headers)
        if not secret:
            hint = "make one by 'modelwright keys create NAME --role admin', or use 'modelwright models load'"
            raise Unauthenticated("what is loaded is an admin's business", hint=hint)
        if self._tokens is not None and not secret.startswith(_KEY):
            try:
                roles = self._tokens.caller(secret).roles
            except SigningKeyMissing:
                raise Unauthenticated("the token's signing key is not known here", hint="use an admin's key") from None
        else:
            key = self._keys.get(key_digest(self._pepper, secret))
            if key is None or (key.expires is not None and key.expires <= self._now()):
                raise Unauthenticated("the API key is not known, was revoked or has expired", hint=_SEND)
            roles = (key.role,)
        if "admin" not in roles:
            raise Forbidden(f"the role {roles[0]} may not see, load or unload models", hint="use an admin's key")

    def vouch(self, principal: Principal) -> Caller:
        """Whoever this was, if they may call now: a key must still be known, a token not have expired.

        Raises Unauthenticated, Forbidden or IdentityUnavailable.
        """
        caller = principal.caller
        if principal.digest:
            caller = self._of_digest(principal.digest)
        elif not caller.id:
            if self._rule == "required":
                raise Unauthenticated("nobody in particular has left this, and calls need a key now", hint=_SEND)
        elif caller.id.partition("/")[0] not in self._issuers:
            raise Unauthenticated("the issuer of the token is not trusted any more", hint="ask for an API key")
        if caller.expires is not None and caller.expires <= self._now():
            what = "token of" if "/" in caller.id else "API key"
            raise Unauthenticated(f"the {what} {caller.id} has expired", hint="leave it with one that lasts longer")
        return caller

    async def _proceed_later(self, missing: SigningKeyMissing, call: Call, proceed: Handler) -> Reply:
        return await proceed_as(await self._identify_anew(missing, call.headers), call, proceed)

    async def _identify_anew(self, missing: SigningKeyMissing, headers: dict[bytes, bytes]) -> Caller:
        issuer = missing.issuer
        if self._renew is not None:
            newer = await self._renew(issuer.name)
            try:
                return newer.identify(headers)
            except SigningKeyMissing as still:
                issuer = still.issuer
        if issuer.problem or not issuer.keys:
            raise IdentityUnavailable(
                f"the signing keys of issuer {issuer.name} cannot be read now", hint="try again", retry_after=2.0
            )
        raise Unauthenticated(
            f"the token is signed by a key that issuer {issuer.name} does not publish",
            hint="ask the issuer for a new token",
        )

    def _find(self, secret: bytes) -> Caller:
        if not secret:
            raise Unauthenticated("no API key was sent", hint=_SEND)
        return self._of_digest(key_digest(self._pepper, secret))

    def _of_digest(self, digest: str) -> Caller:
        key = self._keys.get(digest)
        if key is None:
            if self._source.away:
                raise IdentityUnavailable(
                    "whether this API key is good cannot be told now: it is none of those known so far",
                    hint="try again; known keys go on working",
                    retry_after=5.0,
                )
            raise Unauthenticated("the API key is not known or was revoked", hint="ask the operator for a key")
        return _client(caller_of_key(key), "key")


def proceed_as(caller: Caller, call: Call, proceed: Handler) -> Awaitable[Reply]:
    """From here on this is their call."""
    row = call.row
    row.key = caller.id
    row.tenant = caller.tenant
    row.user = caller.user
    call.caller = caller
    call.identified = True
    return proceed(call)


def _client(caller: Caller, what: str) -> Caller:
    """Raises Forbidden for whoever may not call endpoints."""
    if "client" not in caller.roles:
        role = caller.roles[0]
        raise Forbidden(f"a {what} with the role {role} may not call endpoints", hint=f"use a client's {what}")
    return caller


def _check_page(headers: dict[bytes, bytes]) -> None:
    """Where no key is wanted, any page in a browser on this machine could spend what its owner pays for.

    Raises Forbidden. Browsers name the page's origin with everything that a page posts; other clients name none.
    """
    origin = headers.get(b"origin", b"").lower()
    if origin == b"null" or (origin.startswith((b"http:", b"https:")) and not _HERE.fullmatch(origin)):
        raise Forbidden(
            "a page from elsewhere may not call a gateway that wants no key",
            hint="send the call from a server, or set access.auth: required and give the page's users keys",
        )


def _presented(headers: dict[bytes, bytes]) -> bytes:
    authorization = headers.get(b"authorization", b"")
    if authorization[:7] == b"Bearer " or authorization[:7].lower() == b"bearer ":
        return authorization[7:].strip()
    return headers.get(b"x-api-key", b"").strip()
