"""The server's side of HTTP/1.1 under uvicorn: parses requests with httptools and runs the ASGI app for each.

uvicorn keeps the sockets, the signals and the loop; this takes the place of its protocol class, at half the cost per
request. It speaks no TLS and no WebSocket.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import unquote

import httptools

from modelwright.adapters.http.answer import Exchange, refusal
from modelwright.adapters.http.brief import whole_post
from modelwright.adapters.http.filling import SWALLOWED, Filling, OnlyBody, Sipping
from modelwright.adapters.http.outbox import untaken
from modelwright.adapters.http.scope import ASGI, address, split_target
from modelwright.adapters.http.together import Gate, ServerState, outbox_of

MAX_HEAD = 64 << 10
"""Bytes of a request's line and headers together."""
HELD = 64 << 10
"""Bytes of a body that wait for the app before the connection stops reading."""
HALF_CLOSED = 0.5
"""Seconds for which an answer goes on when a TCP client has ended its side of the connection: one that still listens
cannot be told from one that is gone. On a Unix socket our own gateway is the client, and it never listens on."""

log = logging.getLogger(__name__)


class AsgiProtocol(asyncio.Protocol):
    """One connection of a client; `cycle` is its newest exchange."""

    def __init__(
        self,
        config: Any,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """The signature is uvicorn's."""
        if not config.loaded:
            config.load()
        self.transport = cast("asyncio.Transport", None)
        self.cycle: Exchange | None = None
        self.writable: asyncio.Event | None = None
        """Set when the client takes bytes again; None while it does."""
        self._app = config.loaded_app
        self._state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._outbox = outbox_of(server_state, self._loop)
        self._gate: Gate | None = getattr(server_state, "gate", None)
        self._patience = float(config.timeout_keep_alive)
        self._parser = self._new_parser()
        self._client = self._server = address(None)
        self._running: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._paused = False
        self._deaf = False
        self._requests = self._seen = 0
        self._unsent = 0
        self._blocked: asyncio.Event | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._shared: tuple[Any, tuple[bytes, int, bool]] = (None, (b"", 0, False))
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._in_head = True
        self._size = 0
        self._expect = False

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._state.connections.add(self)
        self._client = address(transport.get_extra_info("peername"))
        self._server = address(transport.get_extra_info("sockname"))
        if self._server is None or self._server[1] is None:
            self._gate = None  # not our own door
        self._timer = self._loop.call_later(self._patience, self._look)

    def data_received(self, data: bytes) -> None:
        if self._deaf or (self._gate is not None and self._gate.shut and self._turned_away(data)):
            return
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._stay(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._unreadable(error)
        if self._size > MAX_HEAD and not self._deaf:
            self._check_size()

    def eof_received(self) -> bool:
        """The client sends no more; whether the answer under way goes on for a moment."""
        self._outbox.flush()
        exchange = self.cycle
        over_tcp = self._server is not None and self._server[1] is not None
        if not over_tcp or exchange is None or exchange.response_complete or not exchange.whole:
            return False
        self._stop_listening()
        self._loop.call_later(HALF_CLOSED, self._give_up)
        return True

    def pause_writing(self) -> None:
        self.writable = asyncio.Event()

    def resume_writing(self) -> None:
        if self.writable is not None:
            self.writable.set()
            self.writable = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._deaf = True
        self._state.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._tell_gone()
        self.resume_writing()
        # What is held in circles would stay until the next collection, and connections come and go.
        self._parser = cast("httptools.HttpRequestParser", None)
        self._timer = self._running = self.cycle = None

    def shutdown(self) -> None:
        """The server's word at its end: finish what runs, then close."""
        if self.cycle is None or self.cycle.response_complete:
            self.close()
        else:
            self.cycle.keep_alive = False

    # The parser's callbacks

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self._expect = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: nobody downstream has checked it
        name = name.lower()
        if name == b"expect":
            self._expect = value.lower() == b"100-continue"
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._size = 0
        self._requests += 1
        if self._gate is not None:
            self._gate.enter()
        parser = self._parser
        version = parser.get_http_version()
        raw_path, query = split_target(self._url)
        path = raw_path.decode("ascii")
        scope = {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "server": self._server,
            "client": self._client,
            "scheme": "http",
            "method": parser.get_method().decode("ascii"),
            "root_path": "",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
        }
        keep_alive = version != "1.0" and parser.should_keep_alive()
        exchange = Exchange(self, scope, keep_alive=keep_alive, expect=self._expect)
        before, self.cycle = self.cycle, exchange
        if before is None or before.response_complete:
            self._run(exchange)
        else:
            self._queue.append(exchange)
            self._pause()

    def on_body(self, data: bytes) -> None:
        exchange = cast("Exchange", self.cycle)
        exchange.feed(data)
        if exchange.held > HELD:
            self._pause()
        if not exchange.response_complete:
            self._size = 0

    def on_message_complete(self) -> None:
        cast("Exchange", self.cycle).end_body()
        self._in_head = True
        self._size = 0

    # What an exchange tells

    def write(self, data: bytes) -> None:
        """Send bytes, in order, within this turn of the loop."""
        self._outbox.write(self.transport, data)

    def close(self) -> None:
        """Close once everything is sent."""
        self._outbox.flush()
        self.transport.close()

    def shared_head(self) -> tuple[bytes, int, bool]:
        """The date and whatever uvicorn's default headers hold, encoded once a second."""
        headers = self._state.default_headers
        known, encoded = self._shared
        if known is not headers:
            lines = [b"%b: %b\r\n" % pair for pair in headers if pair[0] != b"connection"]
            close = any(name == b"connection" and value.lower() == b"close" for name, value in headers)
            encoded = (b"".join(lines), len(lines), close)
            self._shared = (headers, encoded)
        return encoded

    def go_on(self) -> None:
        """Read more, unless requests wait."""
        if self._paused and not self._queue and not self._deaf:
            self._read_by(self)

    def fill(self, memory: memoryview) -> Callable[[], None]:
        """Let the rest of the body arrive there; what it returns gives the memory up."""
        filling = Filling(self, memory)
        self._read_by(filling)
        return filling.give_up

    def filled(self) -> None:
        """The body has arrived, past the parser; what follows is likely to be like it."""
        self._parser = self._new_parser()
        self._read_by(Sipping(self))
        self.on_message_complete()

    def sipped(self) -> None:
        """Let the app say where the rest of a body shall be; read as usual when it was small."""
        exchange = cast("Exchange", self.cycle)
        if self._paused:
            return  # who goes on reads as usual
        if self._in_head or exchange.response_complete:
            self._read_by(self)
        elif exchange.held:
            self._pause()

    def hang_up(self) -> None:
        """Close, and hear nothing more."""
        self._deaf = True
        self.close()

    def answered(self, exchange: Exchange) -> None:
        """Close, or take the next request."""
        self._state.total_requests += 1
        if not exchange.keep_alive:
            self._deaf = True
            self._queue.clear()
            self.close()
        elif self._queue:
            self._run(self._queue.popleft())
        self.go_on()

    def forget(self, task: asyncio.Task[Any]) -> None:
        """The app's task has ended."""
        self._state.tasks.discard(task)

    # Inside

    def _run(self, exchange: Exchange) -> None:
        self._running = exchange
        task = self._loop.create_task(self._app(exchange.scope, exchange.receive, exchange.send))
        self._state.tasks.add(task)
        task.add_done_callback(exchange.ended)

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _read_by(self, protocol: asyncio.BaseProtocol) -> None:
        """How bytes are read is decided where reading begins."""
        self._paused = False
        self.transport.pause_reading()
        self.transport.set_protocol(protocol)
        self.transport.resume_reading()

    def _turned_away(self, data: bytes) -> bool:
        """Whether this was a whole request between two others, which is answered unread."""
        free = self.cycle is None or (self.cycle.response_complete and self.cycle.keep_alive and self._in_head)
        asked = whole_post(data) if free and not self._size else None
        if asked is None or self._gate is None:
            return False
        self._requests += 1
        self.write(self._gate.refuse(*asked))
        return True

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def _check_size(self) -> None:
        """A head or trailer that does not end, or a body that nobody wants any more."""
        unwanted = not self._in_head and self.cycle is not None and self.cycle.response_complete
        if not unwanted:
            self._refuse(431)
        elif self._size > SWALLOWED:
            self.hang_up()

    def _unreadable(self, error: Exception) -> None:
        log.warning("a request cannot be read: %s", error)
        self._refuse(400)

    def _refuse(self, status: int) -> None:
        """What came cannot be understood. An answer under way is finished, unless this was its own request."""
        exchange = self.cycle
        if exchange is None or exchange.response_complete:
            self.write(refusal(status))
        elif exchange.whole:
            self._stop_listening()
            return
        elif exchange is self._running and not exchange.response_started:
            self.write(refusal(status))
        self.hang_up()

    def _stop_listening(self) -> None:
        """Answer what has arrived, then close."""
        self._deaf = True
        exchange = self.cycle
        if exchange is None or exchange.response_complete:
            self.close()
        else:
            exchange.keep_alive = False

    def _stay(self, rest: bytes) -> None:
        """Answer a request that offers another protocol in this one, then close.

        Its body, which the parser skips, is read by a parser of its own.
        """
        exchange = cast("Exchange", self.cycle)
        framing = [pair for pair in exchange.scope["headers"] if pair[0] in {b"content-length", b"transfer-encoding"}]
        if not framing or exchange.scope["method"] == "CONNECT":
            self._stop_listening()
            return
        exchange.whole = exchange.keep_alive = self._in_head = False
        self._parser = httptools.HttpRequestParser(OnlyBody(self))
        head = b"".join(b"%b: %b\r\n" % pair for pair in framing)
        try:
            self._parser.feed_data(b"POST / HTTP/1.1\r\nconnection: close\r\n%b\r\n" % head)
            self._parser.feed_data(rest)
        except httptools.HttpParserError as error:
            self._unreadable(error)

    def _give_up(self) -> None:
        """A client that ended its side has waited long enough, or is gone."""
        self._tell_gone()
        self.close()

    def _tell_gone(self) -> None:
        for exchange in (self._running, self.cycle, *self._queue):
            if exchange is not None:
                exchange.disconnect()
        self._queue.clear()

    def _look(self) -> None:
        """Every so often: close what is idle, cut off who takes nothing.

        Idle is a connection without a new request or an exchange under way since the last look. One whose client has
        taken nothing of an answer since then is cut, since closing would wait for it.
        """
        transport = self.transport
        unsent, blocked = untaken(transport), self.writable
        held_back = transport.is_closing() or (blocked is not None and blocked is self._blocked)
        if held_back and unsent and unsent == self._unsent:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            transport.abort()
            return
        self._unsent, self._blocked = unsent, blocked
        busy = self.cycle is not None and not self.cycle.response_complete
        if not busy and self._seen == self._requests:
            self._deaf = True
            transport.close()
        self._seen = self._requests
        self._timer = self._loop.call_later(self._patience, self._look)


_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: the kernel shall not keep what was not taken either."""
