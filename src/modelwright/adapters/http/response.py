"""The answer of an upstream while its body arrives: holds the bytes, wakes its one reader; it parses nothing."""

from __future__ import annotations

import asyncio
from typing import Protocol

from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import ProviderError, UpstreamTruncated

HIGH = 256 << 10
"""Bytes held for a slow reader before the connection stops reading; it goes on once all of them are taken."""


class Link(Protocol):
    """The connection as its answer sees it."""

    @property
    def place(self) -> str:
        """How messages name the upstream."""
        ...

    def pause(self) -> None:
        """Stop reading: the reader is slow."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...

    def abort(self) -> None:
        """Close at once: this exchange will not be finished."""
        ...


class Response:
    """Answer whose head has arrived; the port's UpstreamResponse, and the iterator that `chunks` gives.

    Whoever receives one must call `close` in the end, or read it to its end: an answer left half-read keeps its
    connection until the idle deadline, or without end once it is paused.
    """

    __slots__ = (
        "_error",
        "_finished",
        "_held",
        "_limit",
        "_link",
        "_loop",
        "_paused",
        "_pieces",
        "_waiter",
        "headers",
        "status",
    )

    def __init__(
        self, status: int, headers: list[tuple[bytes, bytes]], link: Link, *, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.status = status
        self.headers = headers
        self._link = link
        self._loop = loop
        self._pieces: list[bytes] = []
        self._held = 0
        self._limit = -1
        """Of `read`; -1 while the body is taken in chunks."""
        self._paused = False
        self._finished = False
        self._error: CallError | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def read(self, limit: int) -> bytes:
        """The whole body."""
        self._limit = limit
        while not self._finished and self._held <= limit:
            if self._paused:
                self._go_on()
            await self._more()
        if self._held > limit:
            self.close()
            raise ProviderError(
                f"the answer is longer than {limit} bytes",
                hint="ask for less, or raise the limit of an answer's size",
                place=self._link.place,
            )
        if self._error is not None:
            raise self._error
        return self._take()

    def chunks(self) -> Response:
        """Body bytes as they arrive."""
        return self

    def __aiter__(self) -> Response:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._finished:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            if self._paused:
                self._go_on()
            await self._more()
        return self._take()

    def close(self) -> None:
        """Give up what has not arrived yet."""
        if not self._finished:
            self.fail(UpstreamTruncated("the answer was given up before its end", place=self._link.place))
            self._link.abort()

    def feed(self, piece: bytes) -> None:
        """Body bytes have arrived; the parser calls this."""
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held <= self._limit:
            return
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)
        elif self._held > HIGH and not self._paused:
            self._paused = True
            self._link.pause()

    def finish(self) -> None:
        """The body has arrived whole."""
        self._finished = True
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def fail(self, error: CallError) -> None:
        """The body will never be whole; what has arrived of it can still be taken in chunks."""
        if not self._finished:
            self._error = error
            self.finish()

    @property
    def paused(self) -> bool:
        """Whether the reader is slow, so that silence is not the upstream's."""
        return self._paused

    def _go_on(self) -> None:
        self._paused = False
        self._link.resume()

    async def _more(self) -> None:
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        except asyncio.CancelledError:
            self.close()
            raise

    def _take(self) -> bytes:
        pieces = self._pieces
        self._held = 0
        if len(pieces) == 1:
            return pieces.pop()
        self._pieces = []
        return b"".join(pieces)
