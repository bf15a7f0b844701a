"""One exchange of the server's side: the app's `receive` and `send`, and how an answer is framed on the wire."""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

Headers = Sequence[tuple[bytes, bytes]]

JOINED = 64 << 10
"""A body up to this size travels in one write with its head."""
LARGE = 64 << 10
"""Bytes of a body past which an app may let it arrive where it stays."""

_STATUS = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus if status >= 200
}
_DISCONNECT = {"type": "http.disconnect"}
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE = b"connection: close\r\n"
_CHUNKED = b"transfer-encoding: chunked\r\n"

log = logging.getLogger(__name__)


class Line(Protocol):
    """The connection as an exchange sees it."""

    writable: asyncio.Event | None

    def write(self, data: bytes) -> None:
        """Send bytes, in order, within this turn of the loop."""
        ...

    def close(self) -> None:
        """Close once everything is sent."""
        ...

    def shared_head(self) -> tuple[bytes, int, bool]:
        """Lines that every answer begins with, how many they are, and whether they say `Connection: close`."""
        ...

    def go_on(self) -> None:
        """Read more, if reading was paused."""
        ...

    def fill(self, memory: memoryview) -> Callable[[], None]:
        """Let the rest of the body arrive there, from its beginning; what it returns gives the memory up."""
        ...

    def answered(self, exchange: Exchange) -> None:
        """The answer is complete."""
        ...

    def forget(self, task: asyncio.Task[Any]) -> None:
        """The app's task has ended."""
        ...


class Exchange:
    """A request and its answer. As ASGI wants it, the head leaves with the first part of the body."""

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_expect",
        "_left",
        "_line",
        "_modern",
        "_pieces",
        "_size",
        "_start",
        "_told",
        "_waiters",
        "disconnected",
        "held",
        "keep_alive",
        "response_complete",
        "response_started",
        "scope",
        "whole",
    )

    def __init__(self, line: Line, scope: dict[str, Any], *, keep_alive: bool, expect: bool) -> None:
        """`expect`: the client waits for `100 Continue` before it sends its body."""
        self.scope = scope
        self.keep_alive = keep_alive
        self.whole = False
        """The request's body has arrived."""
        self.held = 0
        """Bytes of it that the app has not taken."""
        self.disconnected = False
        self.response_started = False
        self.response_complete = False
        self._line = line
        self._expect = expect
        self._modern = scope["http_version"] != "1.0"
        self._pieces: list[bytes] = []
        self._size = -1
        """Bytes of the body that are stated, once somebody wants to know."""
        self._told = False
        self._waiters: list[asyncio.Future[None]] | None = None
        self._start: Any = None
        self._bodiless = scope["method"] == "HEAD"
        self._chunked = False
        self._left = 0

    # What the app calls

    async def receive(self) -> dict[str, Any]:
        """ASGI: the next part of the body, or that the client is gone or answered."""
        while True:
            if self.disconnected or self.response_complete:
                return _DISCONNECT
            if self._pieces or (self.whole and not self._told):
                break
            if self._expect:
                self._expect = False
                self._line.write(_CONTINUE)
            self._line.go_on()
            await self._news()
        if self._size < 0:
            self._size = 0 if self.whole else self._stated()
            if self._size > LARGE:
                return {"type": "http.request", "body": b"", "more_body": True, "modelwright.into": self.into}
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self.held = 0
        self._told = self.whole
        return {"type": "http.request", "body": body, "more_body": not self.whole}

    async def into(self, memory: memoryview) -> bool:
        """Let a large body arrive in memory of just its size; False when the client left.

        The first message of `receive` has no bytes and this function when so much is to come. It takes the place of
        all further messages with bytes; who knows nothing of it goes on to receive them.
        """
        if len(memory) != self._size:
            raise ValueError(f"{len(memory)} bytes of memory for {self._size} bytes of a body")
        place = 0
        for piece in self._pieces:
            memory[place : place + len(piece)] = piece
            place += len(piece)
        self._pieces = []
        self.held = 0
        self._told = True
        if not self.whole and not self.disconnected:
            give_up = self._line.fill(memory[place:])
            try:
                while not (self.whole or self.disconnected):
                    await self._news()
            finally:
                give_up()
        return self.whole

    async def send(self, message: Any) -> None:
        """ASGI: the head, or a part of the body; waits while the client is slow."""
        line = self._line
        if line.writable is not None and not self.disconnected:
            await line.writable.wait()
        if self.disconnected:
            return
        if not self.response_started:
            _expect_type(message, "http.response.start")
            self._start = message
            self.response_started = True
            return
        _expect_type(message, "http.response.body")
        if self.response_complete:
            raise RuntimeError("the app sent more after its answer was complete")
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if self._start is None:
            line.write(self._frame(body, more=more))
        else:
            self._begin(body, more=more)
        if not more:
            self.response_complete = True
            self._pieces.clear()
            self.held = 0
            self._wake()
            line.answered(self)

    def _stated(self) -> int:
        """Bytes of the body, if nothing but their number says where it ends."""
        size = 0
        for name, value in self.scope["headers"]:
            if name == b"content-length":
                size = int(value)
            elif name == b"transfer-encoding":
                return 0
        return size if self.keep_alive else 0

    # What the connection calls

    def feed(self, data: bytes) -> None:
        """Bytes of the body; nobody waits for those that come after the answer."""
        if self.response_complete:
            return
        self._expect = False
        self._pieces.append(data)
        self.held += len(data)
        self._wake()

    def end_body(self) -> None:
        """The body has arrived."""
        self.whole = True
        self._wake()

    def disconnect(self) -> None:
        """The client is gone."""
        if not self.response_complete:
            self.disconnected = True
        self._wake()

    def ended(self, task: asyncio.Task[Any]) -> None:
        """The app returned or raised: an answer that it owes is made up for, or cut off."""
        self._line.forget(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("exception in the ASGI app", exc_info=error)
        if self.response_complete or self.disconnected:
            return
        if error is None and not task.cancelled():
            log.error("the ASGI app returned before its answer was complete")
        if self._start is not None or not self.response_started:
            self._line.write(refusal(500))
        self._line.close()

    # Framing

    def _begin(self, body: bytes, *, more: bool) -> None:
        """Write the head and what there is of the body."""
        message = self._start
        shared, lines, close = self._line.shared_head()
        status: int = message["status"]
        parts = [_STATUS.get(status) or b"HTTP/1.1 %d \r\n" % status, shared]
        length = -1
        for name, value in message.get("headers", ()):
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                continue  # framing is decided here
            elif name == b"connection":
                close = close or b"close" in value.lower()
                continue
            parts += (name, b": ", value, b"\r\n")
            lines += 1
        extra, count = self._framing(status, length, more=more, body=body)
        unsure = self._expect and not self.whole  # whether the client still sends its body, which it was not told to
        if close or unsure or not self.keep_alive:
            self.keep_alive = False
            extra += _CLOSE
            count += 1
        parts += (extra, b"\r\n")
        head = b"".join(parts)
        if head.count(b"\n") != lines + count + 2 or head.count(b"\r") != lines + count + 2:
            raise RuntimeError("a header of the answer holds a line break")
        framed = self._frame(body, more=more)
        self._start = None
        self._write(head, framed)

    def _framing(self, status: int, length: int, *, more: bool, body: bytes) -> tuple[bytes, int]:
        """How the body will end: header lines that say so, and their number."""
        if self._bodiless or status in {204, 304}:
            self._bodiless = True
            return b"", 0
        if length >= 0:
            self._left = length
            return b"", 0
        if not more:
            self._left = len(body)
            return b"content-length: %d\r\n" % len(body), 1
        if not self._modern:
            self.keep_alive = False
            self._left = -1
            return b"", 0
        self._chunked = True
        return _CHUNKED, 1

    def _frame(self, body: bytes, *, more: bool) -> bytes:
        """A part of the body as it stands on the wire; raises RuntimeError when it does not fit the stated length."""
        if self._bodiless:
            return b""
        if self._chunked:
            data = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return data if more else data + b"0\r\n\r\n"
        if self._left < 0:
            return body
        self._left -= len(body)
        if self._left < 0 or (self._left and not more):
            raise RuntimeError("the app's answer is not as long as its content-length says")
        return body

    def _write(self, head: bytes, body: bytes) -> None:
        line = self._line
        if len(body) <= JOINED:
            line.write(head + body)
        else:
            line.write(head)
            line.write(body)

    async def _news(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._waiters is None:
            self._waiters = [waiter]
        else:
            self._waiters.append(waiter)
        await waiter

    def _wake(self) -> None:
        waiters = self._waiters
        if waiters is None:
            return
        self._waiters = None
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def refusal(status: int) -> bytes:
    """A whole answer of the server itself, after which the connection closes."""
    phrase = http.HTTPStatus(status).phrase.encode()
    return b"HTTP/1.1 %d %b\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (
        status,
        phrase,
        len(phrase),
        phrase,
    )


def _expect_type(message: Any, kind: str) -> None:
    if message["type"] != kind:
        raise RuntimeError(f"expected the ASGI message {kind}, got {message['type']}")
