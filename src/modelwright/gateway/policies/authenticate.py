"""Policy: whose call it is; API keys by their peppered digest, nothing that knows users or passwords."""

from __future__ import annotations

from collections.abc import Awaitable

from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors import Forbidden, Unauthenticated
from modelwright.core.keys import key_digest
from modelwright.core.ports.clock import Clock
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.lanes import Table

ANONYMOUS = Key(id="", digest="")
REMEMBERED = 4096
"""Secrets whose key is known without another digest; they are forgotten with the snapshot."""
_SEND = "send the header 'Authorization: Bearer mw-…' or 'X-API-Key: mw-…'"


class Authenticate:
    """Puts key and tenant into the call's row."""

    def __init__(self, table: Table, *, pepper: bytes, clock: Clock) -> None:
        self._keys = table.keys
        self._rule = table.snapshot.auth
        self._pepper = pepper
        self._now = clock.now
        self._remembered: dict[bytes, Key] = {}

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        key = self.identify(call.headers)
        row = call.row
        row.key = key.id
        row.tenant = key.tenant
        call.scope = key.endpoints
        call.identified = True
        return proceed(call)

    def identify(self, headers: dict[bytes, bytes]) -> Key:
        """The key of a request; raises Unauthenticated or Forbidden."""
        if self._rule == "none":
            return ANONYMOUS
        secret = _presented(headers)
        key = self._remembered.get(secret)
        if key is None:
            if not secret and self._rule == "optional":
                return ANONYMOUS
            key = self._find(secret)
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[secret] = key
        if key.expires is not None and key.expires <= self._now():
            raise Unauthenticated(f"the API key {key.id} has expired", hint="ask the operator for a new key")
        return key

    def _find(self, secret: bytes) -> Key:
        if not secret:
            raise Unauthenticated("no API key was sent", hint=_SEND)
        key = self._keys.get(key_digest(self._pepper, secret))
        if key is None:
            raise Unauthenticated("the API key is not known or was revoked", hint="ask the operator for a key")
        if key.role != "client":
            raise Forbidden(f"a key with the role {key.role} may not call endpoints", hint="use a client's key")
        return key


def _presented(headers: dict[bytes, bytes]) -> bytes:
    authorization = headers.get(b"authorization", b"")
    if authorization[:7] == b"Bearer " or authorization[:7].lower() == b"bearer ":
        return authorization[7:].strip()
    return headers.get(b"x-api-key", b"").strip()
