"""One keep-alive connection to an upstream: writes a request, parses the answer; it opens and pools nothing."""

from __future__ import annotations

import asyncio
import select
from typing import Protocol, cast

import httptools

from modelwright.adapters.http.dial import place_of
from modelwright.adapters.http.outbox import Outbox
from modelwright.adapters.http.response import Response
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import (
    ProviderError,
    ProviderTimeout,
    ProviderUnreachable,
    UpstreamStalled,
    UpstreamTruncated,
)
from modelwright.core.ports.http import Deadlines, Origin

MAX_HEAD = 64 << 10
"""Bytes of an answer's head, informational ones included, and of anything later that is not body (trailers)."""
JOINED = 64 << 10
"""A body up to this size travels in one write with its head."""

HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_GONE = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


class CoarseClock:
    """Seconds that the event loop was free to read, moved on by its owner: a long pause counts as a short one."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = 0.0


class Owner(Protocol):
    """What a connection tells whoever keeps it."""

    clock: CoarseClock

    def opened(self, connection: Connection) -> None:
        """The transport is there."""
        ...

    def free(self, connection: Connection) -> None:
        """The exchange is over and the connection can carry another."""
        ...

    def lost(self, connection: Connection) -> None:
        """The connection is closed, or will be in a moment; may be said twice."""
        ...


class Connection(asyncio.Protocol):
    """Carries one exchange at a time: `start` gives a future of the answer whose head has arrived."""

    __slots__ = (
        "_answer", "_begun", "_broken", "_clock", "_complete", "_deadlines", "_head_only", "_headers", "_informed",
        "_loop", "_outbox", "_owner", "_parser", "_poll", "_quiet", "_response", "_since", "_transport", "answered",
        "born", "origin",
    )  # fmt: skip

    def __init__(self, owner: Owner, origin: Origin, outbox: Outbox) -> None:
        """Requests leave through `outbox`, together with those of other connections."""
        self.origin = origin
        self.answered = False
        """Whether an answer has come over it, so that somebody has taken it up."""
        self._outbox = outbox
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._clock = owner.clock
        self.born = self._since = owner.clock.now
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Response] | None = None
        self._response: Response | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._deadlines = Deadlines()
        self._head_only = False
        self._reset()

    def start(self, head: bytes, body: bytes, *, head_only: bool, deadlines: Deadlines) -> asyncio.Future[Response]:
        """Send a request over this idle connection."""
        transport = cast("asyncio.Transport", self._transport)
        answer = self._answer = self._loop.create_future()
        self._head_only = head_only
        self._deadlines = deadlines
        self._since = self._clock.now
        if len(body) <= JOINED:
            self._outbox.write(transport, head + body if body else head)
        else:
            transport.writelines((head, body))  # nothing of this connection waits to be sent
        return answer

    def give_up(self, answer: asyncio.Future[Response]) -> None:
        """Its caller has gone: close, unless the exchange is over and the connection may be another's by now."""
        if self._answer is answer:
            self.abort()

    def usable(self) -> bool:
        """Whether this idle connection is still open at the other side, as far as our kernel has heard."""
        return self._poll is not None and not self._poll.poll(0)

    @property
    def place(self) -> str:
        """How messages name the upstream."""
        return place_of(self.origin)

    @property
    def idle(self) -> bool:
        """Whether no exchange is under way."""
        return self._answer is None and self._response is None

    def expire(self, now: float, *, keep: float, life: float, tick: float) -> None:
        """Apply the deadlines, each exact to `tick` seconds: the owner calls this at every sweep."""
        gap = now - self._since - tick
        if self._response is not None:
            if gap > self._deadlines.idle and not self._response.paused:
                silence = f"the answer stopped for more than {self._deadlines.idle:g} s"
                self._end(UpstreamStalled(silence, hint="raise timeout.idle if that is normal", place=self.place))
        elif self._answer is not None:
            if gap > self._deadlines.first_byte:
                late = f"no answer within {self._deadlines.first_byte:g} s"
                self._end(ProviderTimeout(late, hint="raise timeout.first_token if that is normal", place=self.place))
        elif gap > keep or now - self.born > life:
            self.abort()

    def pause(self) -> None:
        """Stop reading: the reader of the answer is slow."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on; the idle time starts anew."""
        self._since = self._clock.now
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        """Close at once; whoever waits for this exchange is told by `connection_lost`."""
        if self._transport is not None:
            self._poll = None
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._poll = select.poll()
        encrypted = self.origin.scheme == "https"  # where session tickets may arrive while nothing is under way
        self._poll.register(transport.get_extra_info("socket").fileno(), _GONE if encrypted else _GONE | select.POLLIN)
        self._owner.opened(self)

    def data_received(self, data: bytes) -> None:
        if self._parser is None or (self._answer is None and self._response is None):
            self._broken = True
            self.abort()
            return
        self._quiet += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._complete:
                ours = isinstance(error, httptools.HttpParserCallbackError) and error.__context__
                self._end(_unreadable(str(ours or error), self.place))
                return
            self._broken = True
        if self._complete:
            self._finish()
        elif self._quiet > MAX_HEAD:
            self._end(_unreadable("its head or trailer is too long", self.place))

    def eof_received(self) -> None:
        """Nothing more will come; the transport closes itself and calls `connection_lost`."""
        self._poll = None
        if self.idle:
            self._owner.lost(self)

    def connection_lost(self, exc: Exception | None) -> None:
        answer, response = self._answer, self._response
        if response is not None and not self._complete:
            if exc is None and self._until_close():
                response.finish()
            else:
                response.fail(UpstreamTruncated("the answer ended before its end", place=self.place))
        elif answer is not None and not answer.done():
            answer.set_exception(self._no_answer())
        self._answer = self._response = self._poll = self._parser = self._transport = None
        self._owner.lost(self)

    # The parser's callbacks

    def on_message_begin(self) -> None:
        self._begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._response is None:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._complete or self._parser is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._informed += 1
            self._headers.clear()
            return
        headers = self._headers
        if self._quiet > MAX_HEAD and sum(len(name) + len(value) + 4 for name, value in headers) > MAX_HEAD:
            raise ValueError("its head is too long")
        self._quiet = 0
        self._since = self._clock.now
        self.answered = True
        kept = [pair for pair in headers if pair[0] not in HOP_BY_HOP]
        response = self._response = Response(status, kept, self, loop=self._loop)
        answer = self._answer
        if answer is not None and not answer.done():
            answer.set_result(response)
        if self._head_only:
            self._complete = True

    def on_body(self, data: bytes) -> None:
        if self._complete or self._response is None:
            self._broken = True
            return
        self._quiet = 0
        self._since = self._clock.now
        self._response.feed(data)

    def on_message_complete(self) -> None:
        if self._response is not None and not self._complete and self._parser is not None:
            self._complete = True
            self._broken = not self._parser.should_keep_alive()

    # The end of an exchange

    def _finish(self) -> None:
        """The answer is whole: give the connection back, unless something speaks against using it again."""
        response, transport = cast("Response", self._response), cast("asyncio.Transport", self._transport)
        surplus = self._begun > self._informed + 1
        reusable = not self._broken and not surplus and not self._head_only and not transport.get_write_buffer_size()
        if response.paused:
            transport.resume_reading()
        self._answer = self._response = None
        self._reset()
        response.finish()
        if reusable and not transport.is_closing():
            self._owner.free(self)
        else:
            self.abort()

    def _end(self, error: CallError) -> None:
        """The exchange fails: tell whoever waits, and close."""
        if self._response is not None:
            self._response.fail(error)
        elif self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self._complete = True
        self._parser = None
        self.abort()

    def _reset(self) -> None:
        self._headers = []
        self._begun = self._informed = self._quiet = 0
        self._complete = self._broken = False
        self._since = self._clock.now

    def _until_close(self) -> bool:
        """Whether the end of the connection is the honest end of the body: no length and no chunks were announced."""
        framing = {name: value for name, value in self._headers if name in (b"content-length", b"transfer-encoding")}
        return b"content-length" not in framing and b"chunked" not in framing.get(b"transfer-encoding", b"").lower()

    def _no_answer(self) -> CallError:
        if self._begun:
            return UpstreamTruncated("the connection broke in the head of the answer", place=self.place)
        return ProviderUnreachable(
            "the connection was closed before any answer",
            hint="see whether the upstream crashed or restarts",
            place=self.place,
        )


def _unreadable(reason: str, place: str) -> ProviderError:
    return ProviderError(f"the answer is not valid HTTP/1.1: {reason}", hint="is this the right port?", place=place)
