"""A Transport for tests that plays a script instead of using the network; it keeps the deadlines, too."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from modelwright.core.errors.calls import CallError, Stopped
from modelwright.core.errors.providers import (
    ProviderError,
    ProviderTimeout,
    ProviderUnreachable,
    UpstreamStalled,
    UpstreamTruncated,
)
from modelwright.core.ports.http import Deadlines, Origin, UpstreamRequest


class Scripted(msgspec.Struct, frozen=True, kw_only=True):
    """One answer: `pieces` are body bytes, or a float of seconds to wait before the next piece."""

    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Lower-case names."""
    pieces: tuple[bytes | float, ...] = ()
    before_head: float = 0.0
    """Seconds until the head."""
    whole: bool = True
    """False: the connection breaks after the last piece."""
    error: CallError | None = None
    """Raised by `send` instead of any answer."""


Script = Sequence[Scripted] | Callable[[UpstreamRequest], Scripted]


class FakeTransport:
    """Plays answers in order, or those that a function gives; `requests` holds what was sent."""

    def __init__(self, script: Script = ()) -> None:
        self._choose = script if callable(script) else None
        self._answers = deque(() if callable(script) else script)
        self.requests: list[UpstreamRequest] = []
        self.given_up = 0
        """Exchanges that were closed or cancelled before their end."""
        self.open_to: set[Origin] = set()
        """Where `holds` says that a connection is open."""
        self._closed = False

    def holds(self, origin: Origin) -> bool:
        return origin in self.open_to

    async def send(self, request: UpstreamRequest, deadlines: Deadlines) -> FakeResponse:
        if self._closed:
            raise Stopped("the client of upstreams is closed")
        self.requests.append(request)
        answer = self._choose(request) if self._choose else self._answers.popleft() if self._answers else None
        if answer is None:
            raise ProviderUnreachable("the script has no answer left", hint="add one more Scripted answer")
        if answer.error is not None:
            raise answer.error
        try:
            await asyncio.sleep(min(answer.before_head, deadlines.first_byte))
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if answer.before_head > deadlines.first_byte:
            raise ProviderTimeout(f"no answer within {deadlines.first_byte:g} s")
        return FakeResponse(answer, owner=self, idle=deadlines.idle)

    async def close(self) -> None:
        self._closed = True


class FakeResponse:
    """The port's UpstreamResponse, from a script."""

    def __init__(self, answer: Scripted, *, owner: FakeTransport, idle: float) -> None:
        self.status = answer.status
        self.headers = list(answer.headers)
        self._pieces = deque(answer.pieces)
        self._whole = answer.whole
        self._owner = owner
        self._idle = idle
        self._over = False

    async def read(self, limit: int) -> bytes:
        body = b""
        async for piece in self:
            body += piece
            if len(body) > limit:
                self.close()
                raise ProviderError(f"the answer is longer than {limit} bytes")
        return body

    def chunks(self) -> FakeResponse:
        return self

    def close(self) -> None:
        if not self._over and (self._pieces or not self._whole):
            self._owner.given_up += 1
            self._pieces.clear()
            self._whole = False
        self._over = True

    def __aiter__(self) -> FakeResponse:
        return self

    async def __anext__(self) -> bytes:
        while self._pieces:
            piece = self._pieces.popleft()
            if isinstance(piece, bytes):
                return piece
            await self._wait(piece)
        self._over = True
        if not self._whole:
            raise UpstreamTruncated("the answer ended before its end")
        raise StopAsyncIteration

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.sleep(min(seconds, self._idle))
        except asyncio.CancelledError:
            self.close()
            raise
        if seconds > self._idle:
            self.close()
            raise UpstreamStalled(f"the answer stopped for more than {self._idle:g} s")
