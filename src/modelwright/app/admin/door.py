"""Who may pass the admin door: all on the Unix socket, over TCP an admin's key or token; it answers only health."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from modelwright.access.keys import recognise
from modelwright.app.admin.errors import Unavailable, send_error, send_json
from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors.calls import Forbidden, TooLarge, Unauthenticated
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.keys import PREFIX, key_digest
from modelwright.core.ports.clock import Clock
from modelwright.core.tasks.talk import PATH as TASKS

OPEN = frozenset({"/metrics", "/healthz", "/readyz", "/oauth/token"})
"""Paths that want no key over TCP either: counts and names, no secret; whoever asks for a token names a key there."""

MOST_BODY = 1 << 20
_WHO = "modelwright.who"

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

_KEY = PREFIX.encode()


class Tokens(Protocol):
    """Tokens that open the door."""

    async def check(self, token: bytes) -> str:
        """Who bears it; raises Unauthenticated or Forbidden."""
        ...


class AdminDoor:
    """Stands before the admin API, which may come later than the first request."""

    def __init__(self, *, pepper: bytes, live: Callable[[], tuple[Key, ...]], clock: Clock) -> None:
        self.api: Asgi | None = None
        self.tasks: Asgi | None = None
        """Answers gateway workers about tasks."""
        self.tokens: Tokens | None = None
        """Who lets tokens in; there with the API."""
        self.draining = False
        self._pepper = pepper
        self._live = live
        self._clock = clock

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/healthz":
            await send_json(send, 200, b'{"status":"alive"}')
            return
        try:
            if self.api is None:
                raise Unavailable("control is starting", hint="ask again in a second")
            if path == TASKS and self.tasks is not None and _local(scope):
                await self.tasks(scope, receive, send)
                return
            if path == "/readyz":
                await self._readiness(send)
                return
            if not (_local(scope) or path in OPEN):
                scope[_WHO] = await self._check(dict(scope["headers"]))
            _check_size(dict(scope["headers"]))
        except ModelwrightError as error:
            await send_error(send, error)
            return
        await self.api(scope, receive, send)

    async def _readiness(self, send: Any) -> None:
        if self.draining:
            raise Unavailable("control is stopping", hint="ask again when it has started anew")
        await send_json(send, 200, b'{"status":"ready"}')

    async def _check(self, headers: dict[bytes, bytes]) -> str:
        """Who asks, by the id of a key or a token's caller; raises Unauthenticated or Forbidden."""
        secret = _presented(headers)
        if not secret:
            hint = "make one by 'modelwright keys create NAME --role admin' and send 'Authorization: Bearer mw-…'"
            raise Unauthenticated("the admin door wants an admin's key", hint=hint)
        if self.tokens is not None and not secret.startswith(_KEY):
            return await self.tokens.check(secret)
        now = self._clock.now()
        key = recognise(self._live(), key_digest(self._pepper, secret), now=now)
        if key is None:
            hint = "make one: modelwright keys create NAME --role admin"
            raise Unauthenticated("the key is not known, was revoked or has expired", hint=hint)
        if key.role != "admin":
            raise Forbidden(f"a key with the role {key.role} does not open the admin door", hint="use an admin's key")
        return key.id


def who_asks(scope: Any, said: str) -> str:
    """Who stands in a history: over TCP the key's id, over the Unix socket what its user says of himself."""
    return scope.get(_WHO) or said or "local"


def _check_size(headers: dict[bytes, bytes]) -> None:
    """Raises TooLarge, also for a body that does not say how long it is."""
    length = headers.get(b"content-length", b"0")
    if b"transfer-encoding" in headers or int(length) > MOST_BODY:
        raise TooLarge("the body is too large", hint=f"send at most {MOST_BODY >> 10} KiB, with its content-length")


def _local(scope: Any) -> bool:
    """Whether the request came over the Unix socket: that has no port."""
    server = scope.get("server")
    return server is not None and server[1] is None


def _presented(headers: dict[bytes, bytes]) -> bytes:
    scheme, _, secret = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer":
        return secret.strip()
    return headers.get(b"x-api-key", b"").strip()
