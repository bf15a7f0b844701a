"""The dev provider's process: accepts connections, reads requests, performs the steps of their answers."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator
from typing import cast

import httptools
import msgspec
import uvloop

from modelwright.app.dev_provider import steps
from modelwright.app.dev_provider.journal import Entry
from modelwright.app.dev_provider.service import Options, Service
from modelwright.app.dev_provider.steps import End, Pause, Step
from modelwright.core.addresses import join_address
from modelwright.core.errors.starting import PortInUse, StartError

MAX_BODY = 64 << 20
PIPELINED = 64
"""Requests that may wait on one connection while an answer is sent."""

_NEXT_TURN: set[DevConnection] = set()
"""The slot of those that only let others go first; nobody is ever in it."""


class Wheel:
    """Wakes connections at their time, to the millisecond: one timer for all that are due in the same one."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, set[DevConnection]] = {}

    def wake(self, connection: DevConnection, due: float) -> set[DevConnection]:
        """The slot in which it waits; taken out of it, it is not woken."""
        moment = int(due * 1000) + 1
        slot = self._slots.get(moment)
        if slot is None:
            slot = self._slots[moment] = set()
            self._loop.call_at(moment / 1000, self._turn, moment)
        slot.add(connection)
        return slot

    def _turn(self, moment: int) -> None:
        for connection in tuple(self._slots.pop(moment)):
            connection.go_on()


class DevConnection(asyncio.Protocol):
    """One connection: requests in order, one answer at a time."""

    def __init__(self, service: Service, wheel: Wheel, *, open_ones: set[DevConnection]) -> None:
        self._service = service
        self._wheel = wheel
        self._open = open_ones
        self._loop = asyncio.get_running_loop()
        self._transport = cast("asyncio.Transport", None)
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._number = 0
        self._waiting: deque[tuple[Entry | None, Iterator[Step], bool, int]] = deque()
        self._entry: Entry | None = None
        self._keep = True
        self._told = 0
        self._ended = False
        self._steps: Iterator[Step] | None = None
        self._slot: set[DevConnection] | None = None
        """Where it waits for its time."""
        self._due = 0.0
        self._choked = False
        self._begin()

    def close(self) -> None:
        """Close at once."""
        self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)
        self._service.connections += 1
        self._service.open_connections += 1
        self._number = self._service.connections

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._parser = None
            if self._steps is None:
                reason = error.__context__ or error
                self._transport.write(steps.failure(f"the request cannot be read: {reason}", status=400))
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)
        self._service.open_connections -= 1
        if self._slot is not None:
            self._slot.discard(self)
        self._service.held.discard(self)
        for entry in (self._entry, *(waiting[0] for waiting in self._waiting)):
            if entry is not None:
                entry.client_gone = True
        self._ended = True
        self._parser = self._steps = self._entry = None

    def pause_writing(self) -> None:
        self._choked = True

    def resume_writing(self) -> None:
        self._choked = False
        if self._steps is not None and self._slot is None:
            self.go_on()

    # The parser's callbacks

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        self._headers.append((name, value))
        if name == b"expect" and value.lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self._body.append(data)
        self._size += len(data)
        if self._size > MAX_BODY:
            raise ValueError("the body is longer than 64 MiB")

    def on_message_complete(self) -> None:
        if len(self._waiting) >= PIPELINED:
            raise ValueError(f"more than {PIPELINED} requests wait on this connection")
        parser = cast("httptools.HttpRequestParser", self._parser)
        entry, answer = self._service.receive(
            parser.get_method().decode("ascii"),
            self._url.decode("latin-1"),
            connection=self._number,
            headers=self._headers,
            body=b"".join(self._body),
        )
        self._waiting.append((entry, answer, parser.should_keep_alive(), self._service.told))
        self._begin()
        if self._steps is None:
            self.go_on()

    def _begin(self) -> None:
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0

    # Performing

    def release(self) -> None:
        """Go on from a pause, as if no time had passed."""
        self._service.held.discard(self)
        self._due = self._loop.time()
        self.go_on()

    def go_on(self) -> None:
        """Perform what is due, answer after answer."""
        self._slot = None
        while not self._ended:
            if self._steps is None:
                if not self._waiting:
                    return
                self._entry, self._steps, self._keep, self._told = self._waiting.popleft()
                self._due = self._loop.time()
            if not self._perform(self._steps):
                return
            self._finish()

    def _perform(self, steps_left: Iterator[Step]) -> bool:
        """Take steps until one must be waited for; whether the answer is over."""
        for step in steps_left:
            if isinstance(step, bytes):
                self._transport.write(step)
                if self._choked:
                    return False
            elif isinstance(step, End):
                self._end(step)
                return False
            elif self._hold() if isinstance(step, Pause) else self._wait(step):
                return False
        return True

    def _finish(self) -> None:
        if self._entry is not None:
            self._entry.finished = True
        self._steps = self._entry = None
        if not self._keep:
            self._ended = True
            self._transport.close()

    def _hold(self) -> bool:
        """Wait until the faults are set anew, unless they were since this was asked; whether it is held."""
        if self._told != self._service.told:
            return False
        self._slot = _NEXT_TURN
        self._service.held.add(self)
        return True

    def _wait(self, seconds: float) -> bool:
        """Have oneself woken; whether there is anything to wait for. Nothing is waited by coming last in this turn."""
        if not seconds:
            self._slot = _NEXT_TURN
            self._loop.call_soon(self.go_on)
            return True
        self._due += seconds
        if self._due <= self._loop.time():
            return False
        self._slot = self._wheel.wake(self, self._due)
        return True

    def _end(self, end: End) -> None:
        self._ended = True
        if self._entry is not None:
            self._entry.finished = True
        if end is End.CUT:
            self._entry = None
            self._transport.close()


def run(options: Options, *, host: str, port: int, listening: Callable[[str, int], None]) -> None:
    """Serve until SIGTERM or SIGINT; `listening` gets the address once it is bound.

    Raises PortInUse, or StartError for an address that is not ours.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(options, host, port=port, listening=listening))


def announcement(host: str, port: int, *, as_json: bool) -> str:
    """The first line of the process."""
    url = f"http://{join_address(host, port)}"
    if not as_json:
        return f"listening on {url}"
    return msgspec.json.encode({"url": url, "host": host, "port": port, "pid": os.getpid()}).decode()


async def _serve(options: Options, host: str, *, port: int, listening: Callable[[str, int], None]) -> None:
    loop = asyncio.get_running_loop()
    service, wheel, open_ones = Service(options), Wheel(loop), set[DevConnection]()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        server = await loop.create_server(
            lambda: DevConnection(service, wheel, open_ones=open_ones), host, port, backlog=2048
        )
    except OSError as error:
        raise _cannot_listen(error, host, port) from None
    listening(host, server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()
    for connection in tuple(open_ones):
        connection.close()
    await server.wait_closed()


def _cannot_listen(error: OSError, host: str, port: int) -> StartError:
    place = join_address(host, port)
    if error.errno == errno.EADDRINUSE:
        return PortInUse("somebody else listens there", hint="choose another --port; 0 picks a free one", place=place)
    return StartError(f"cannot listen: {error.strerror or error}", hint="choose another --host", place=place)
