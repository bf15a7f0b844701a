"""The gateway's HTTP/1.1 client: keeps connections per origin and applies the deadlines; the port's Transport."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable

import msgspec

from modelwright.adapters.http.connection import CoarseClock, Connection
from modelwright.adapters.http.dial import Resolve, dial, system_resolve, tls_context
from modelwright.adapters.http.head import RequestHeads
from modelwright.adapters.http.outbox import Outbox
from modelwright.adapters.http.response import Response
from modelwright.core.errors.calls import Overloaded, Stopped
from modelwright.core.ports.http import Deadlines, Origin, UpstreamRequest

TICK = 0.05
"""Seconds between two sweeps over the open connections; the exactness of every deadline but that of connecting."""
LONGEST_TICK = 0.5
"""A sweep that comes later than this counts as this much: when we were blocked, the upstream was not slow."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a pool; seconds and connections."""

    idle: int = 256
    """Idle connections kept per origin; more are closed."""
    open: int = 65_536
    """Connections in all; past it a request is refused with Overloaded."""
    keep: float = 60.0
    """An idle connection is closed after this."""
    life: float = 600.0
    """No connection is used for longer, so that a changed address is noticed."""


class Pool:
    """Pooled keep-alive connections over httptools and asyncio.

    One timer serves every deadline: a request costs one write, one future and no task.
    """

    def __init__(
        self,
        *,
        tls: Callable[[], ssl.SSLContext] = tls_context,
        limits: Limits | None = None,
        resolve: Resolve = system_resolve,
    ) -> None:
        """`tls` makes the context of all https connections; it is called once, at the first of them."""
        self.clock = CoarseClock()
        self._tls = functools.cache(tls)
        self._limits = limits or Limits()
        self._resolve = resolve
        self._heads = RequestHeads()
        self._outbox: Outbox | None = None
        self._idle: dict[Origin, list[Connection]] = {}
        self._open: set[Connection] = set()
        self._dialling = 0
        self._sweep: asyncio.TimerHandle | None = None
        self._swept = 0.0
        self._closed = False
        self._emptied = asyncio.Event()

    @property
    def open_connections(self) -> int:
        """Connections that are open or being opened, busy and idle."""
        return len(self._open) + self._dialling

    def holds(self, origin: Origin) -> bool:
        """Whether a connection is open there over which an answer has come before."""
        return any(connection.answered and connection.origin == origin for connection in self._open)

    async def send(self, request: UpstreamRequest, deadlines: Deadlines) -> Response:
        head = self._heads.encode(request)
        connection = self._take(request.origin) or await self._dial(request.origin, deadlines.connect)
        answer = connection.start(head, request.body, head_only=request.method == "HEAD", deadlines=deadlines)
        try:
            return await answer
        except asyncio.CancelledError:
            connection.give_up(answer)
            raise

    async def close(self) -> None:
        """Close every connection; later requests raise Stopped."""
        self._closed = True
        for connection in tuple(self._open):
            connection.abort()
        if self._open:
            self._emptied.clear()
            await self._emptied.wait()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    # What connections tell

    def opened(self, connection: Connection) -> None:
        self._open.add(connection)
        if self._sweep is None:
            loop = asyncio.get_running_loop()
            self._swept = loop.time()
            self._sweep = loop.call_later(TICK, self._on_sweep, loop)

    def free(self, connection: Connection) -> None:
        if self._closed or self.clock.now - connection.born > self._limits.life:
            connection.abort()
            return
        idle = self._idle.get(connection.origin)
        if idle is None:
            idle = self._idle[connection.origin] = []
        if len(idle) >= self._limits.idle:
            connection.abort()
        else:
            idle.append(connection)

    def lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        idle = self._idle.get(connection.origin, [])
        if connection in idle:
            idle.remove(connection)
        if not idle:
            self._idle.pop(connection.origin, None)
        if not self._open:
            self._emptied.set()

    def _take(self, origin: Origin) -> Connection | None:
        """The connection used last, so that those not needed grow old; one that its peer closed is dropped."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.usable():
                return connection
            connection.abort()
        return None

    async def _dial(self, origin: Origin, timeout: float) -> Connection:
        if self._closed:
            raise Stopped("the client of upstreams is closed", hint="send again: another process answers")
        if self.open_connections >= self._limits.open:
            raise Overloaded(
                f"{self._limits.open} upstream connections are open", hint="send again later", retry_after=1.0
            )
        made: list[Connection] = []

        def connection() -> Connection:
            made.append(Connection(self, origin, outbox))
            return made[-1]

        outbox = self._outbox = self._outbox or Outbox()
        self._dialling += 1
        try:
            return await dial(connection, origin, timeout=timeout, resolve=self._resolve, tls=self._tls)
        except BaseException:
            for broken in made:  # uvloop never says `connection_lost` when the last turn of connecting is cancelled
                self.lost(broken)
            raise
        finally:
            self._dialling -= 1

    def _on_sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self.clock.now += min(now - self._swept, LONGEST_TICK)
        self._swept = now
        limits = self._limits
        for connection in tuple(self._open):
            connection.expire(self.clock.now, keep=limits.keep, life=limits.life, tick=TICK)
        self._sweep = loop.call_later(TICK, self._on_sweep, loop) if self._open else None
