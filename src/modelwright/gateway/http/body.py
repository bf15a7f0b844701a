"""Reads a request's body from the door within bounds; it looks at no byte of it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

from modelwright.core.errors.calls import Malformed, Overloaded, Stopped, TooLarge

Receive = Callable[[], Awaitable[Any]]

SWALLOWED = 32 << 20
"""Bytes past the limit that are read and thrown away, so that the client hears the refusal; past them we hang up."""
AHEAD = 4 << 20
"""Bytes of a body for which there is memory before they have arrived; a larger one takes it as they come."""


class BodyBudget:
    """Bytes of request bodies that one worker holds while they arrive, over all calls."""

    def __init__(self, limit: int = 1 << 30) -> None:
        self._limit = limit
        self.held = 0

    def take(self, size: int) -> None:
        """Raises Overloaded when there is no room."""
        if self.held + size > self._limit:
            raise Overloaded(
                f"this gateway worker holds {self.held} bytes of requests, near its maximum of {self._limit}",
                hint="send again later",
                retry_after=1.0,
            )
        self.held += size

    def roomy(self, size: int) -> bool:
        """Whether so much may be held before it has arrived: three quarters are for what does arrive."""
        return self.held + size <= self._limit // 4

    def give(self, size: int) -> None:
        """Room is free again."""
        self.held -= size


class Body:
    """The body of one request: read once, whole."""

    __slots__ = ("_budget", "_declared", "_receive", "_taken", "hang_up")

    def __init__(self, receive: Receive, *, declared: bytes | None, budget: BodyBudget) -> None:
        """`declared` is the value of Content-Length."""
        self._receive = receive
        self._declared = declared
        self._budget = budget
        self._taken = 0
        self.hang_up = False
        """The client sends more than we are ready to swallow: close the connection after the answer."""

    async def read(self, limit: int) -> bytes:
        """The whole body; raises TooLarge past `limit` bytes, Overloaded, or Stopped when the client leaves."""
        declared = int(self._declared) if self._declared is not None else 0
        if declared > limit:
            self.hang_up = declared > limit + SWALLOWED
            raise _too_large(limit)
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _left()
        body = message["body"]
        if not message.get("more_body"):
            if len(body) > limit:
                raise _too_large(limit)
            return body
        into = message.get("modelwright.into")
        try:
            if into is not None and declared <= AHEAD and self._budget.roomy(declared):
                return await self._fill(declared, into)
            return await self._gather(body, limit)
        finally:
            self._budget.give(self._taken)

    async def read_soon(self, limit: int, *, within: float = 30.0) -> bytes:
        """Likewise; Malformed when it takes longer than so many seconds.

        For requests that take no place among the calls, whose sweep would look after them.
        """
        try:
            async with asyncio.timeout(within):
                return await self.read(limit)
        except TimeoutError:
            self.hang_up = True
            raise Malformed(f"the body did not arrive within {within:g} s", hint="send it faster, or less") from None

    async def gone(self) -> None:
        """Wait until the client leaves; only once the body has been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _gather(self, first: bytes, limit: int) -> bytes:
        pieces = [first]
        held, more = len(first), True
        self._take(held)
        while more:
            message = await self._next()
            pieces.append(message["body"])
            held += len(pieces[-1])
            more = bool(message.get("more_body"))
            if held > limit:
                await self._swallow(limit + SWALLOWED - held, more=more)
                raise _too_large(limit)
            self._take(len(pieces[-1]))
        return b"".join(pieces)

    async def _fill(self, size: int, into: Callable[[memoryview], Awaitable[bool]]) -> bytes:
        """The door lets it arrive where it stays."""
        self._take(size)
        whole = io.BytesIO(bytes(size))
        if not await into(whole.getbuffer()):
            raise _left()
        return whole.getvalue()  # what it was made with, not a copy

    async def _swallow(self, room: int, *, more: bool) -> None:
        while more:
            message = await self._next()
            room -= len(message["body"])
            more = bool(message.get("more_body"))
            if room < 0:
                self.hang_up = True
                return

    def _take(self, size: int) -> None:
        self._budget.take(size)
        self._taken += size

    async def _next(self) -> Any:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _left()
        return message


def _left() -> Stopped:
    return Stopped("the client left before its request was complete")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes", hint="send less, or raise gateway.max_body")
