"""The life of a worker process: inherited sockets, readiness told to the supervisor, drain when told or orphaned.

It knows nothing of what the worker answers; workers of every kind run through `run_worker`.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import msgspec
import uvicorn

from modelwright.adapters.http.serve import AsgiProtocol
from modelwright.app.parts import Notice, PartSpec
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

LAME_DUCK = 0.25
"""Seconds between the first sign of a drain and the closing of the door: keep-alive clients get one last answer, which
says `Connection: close`, and balancers see `/readyz` fail, so that nobody sends into a closed connection."""
LAST_LOOK = 0.05
"""Seconds after which the door closes already when nobody is connected."""
TICK = 0.02
"""Seconds between two looks at what is still open."""
ORPHAN_MARGIN = 10
"""Seconds beyond the grace after which a worker without supervisor is ended by the kernel, whatever it is doing."""
COLLECT_AFTER = 10_000
"""New objects between two looks of the garbage collector; Python's 700 cost 6 % of a loaded worker's time."""

_log = logging.getLogger(__name__)


class Worker(Protocol):
    """What a worker process runs."""

    @property
    def asgi(self) -> AsgiApp:
        """Answers requests of every socket."""
        ...

    async def start(self) -> Notice:
        """Load; the notice (ready or failed) goes to the supervisor. The door is already open and must answer 503.

        What it raises becomes a notice too: a StartError is fatal, anything else may be tried again.
        """
        ...

    def drain(self) -> None:
        """From now on `/readyz` fails; that every answer says `Connection: close` is seen to here."""
        ...

    async def stop(self) -> None:
        """All answers are sent, or their tasks were cancelled and have ended: flush and close."""
        ...


def read_spec(argv: list[str]) -> PartSpec:
    """The spec file named by the only argument."""
    return msgspec.json.decode(Path(argv[1]).read_bytes(), type=PartSpec)


def start_worker(argv: list[str], make: Callable[[PartSpec], Worker]) -> int:
    """A worker's `main`: make it from its spec and run it; what the making raises is told to the supervisor."""
    spec = read_spec(argv)
    try:
        worker = make(spec)
    except ModelwrightError as error:
        tell(spec, _failure(error))
        return 1
    return run_worker(spec, worker)


def run_worker(spec: PartSpec, worker: Worker) -> int:
    """Serve until told to stop; the exit status of the process: 0 after a drain, 1 when it could not start."""
    config = uvicorn.Config(
        worker.asgi,
        loop="uvloop",
        http=AsgiProtocol,
        interface="asgi3",  # its guess takes a bound method for another interface
        ws="none",
        lifespan="off",
        proxy_headers=False,  # a client's own word on its address is not believed
        access_log=False,
        log_config=None,
        server_header=False,
        backlog=2048,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=max(1, int(spec.grace)),
    )
    server = _Server(config, worker, spec)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        return runner.run(server.live())


class _Server(uvicorn.Server):
    """uvicorn's server with our own beginning and end."""

    def __init__(self, config: uvicorn.Config, worker: Worker, spec: PartSpec) -> None:
        super().__init__(config)
        self._worker = worker
        self._spec = spec
        self._drain_began = 0.0
        self._idle_before: dict[Any, Any] = {}
        self._status = 0
        self._orphaned = False
        gate = getattr(worker, "gate", None)  # only the gateway's calls can come faster than they are answered
        if gate is not None:
            self.server_state.gate = gate  # type: ignore[attr-defined]
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def _connections(self) -> set[Any]:
        """Open connections; each is a protocol with `cycle` (its present or last exchange) and `transport`."""
        connections: set[Any] = self.server_state.connections
        return connections

    async def live(self) -> int:
        self._loop = asyncio.get_running_loop()
        if self._spec.lifeline >= 0:
            self._loop.add_reader(self._spec.lifeline, self._lifeline_moved)
        starting = asyncio.ensure_future(self._start())
        sockets = [socket.socket(fileno=number) for number in self._spec.sockets.values()]
        await self.serve(sockets=sockets)
        loading = not starting.done()
        starting.cancel()
        await self._worker.stop()
        if self._orphaned and self._spec.kind == "control":  # the last of a run without supervisor
            shutil.rmtree(self._spec.runtime, ignore_errors=True)
        if loading:  # a thread that loads a model cannot be interrupted, and leaving would wait for it
            sys.stdout.flush()
            os._exit(self._status)
        return self._status

    async def _start(self) -> None:
        tell(self._spec, Notice(state="starting"))
        try:
            notice = await self._worker.start()
        except ModelwrightError as error:
            notice = _failure(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the supervisor shall hear it
            _log.exception("the worker could not start")
            notice = Notice(state="failed", detail=f"{type(error).__name__}: {error}")
        gc.freeze()  # what was loaded stays: no collection need look at it again
        gc.set_threshold(COLLECT_AFTER, 10, 10)
        tell(self._spec, notice)
        if notice.state == "failed":
            self._status = 1
            self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called for SIGTERM and SIGINT; a terminal's Ctrl-C never comes here, since workers have their own session."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_drain)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the door, answer what has arrived and finish what runs; cancel what passes the grace.

        uvicorn's own way closes a connection as soon as its answer ends, also when the client was told that it may send
        another request; here it stays open for one more lame duck's time.
        """
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._spec.grace
        idle = {one: self._drain_began for one, cycle in self._idle_before.items() if one.cycle is cycle}
        while (self._connections or self.server_state.tasks) and loop.time() < until:
            idle = self._close_idle(idle, loop.time())
            await asyncio.sleep(TICK)
        for task in self.server_state.tasks:
            task.cancel("the grace is over")
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=1.0)

    def _close_idle(self, before: dict[Any, float], now: float) -> dict[Any, float]:
        """Close connections that have been idle for a lame duck's time; since when each of the others is."""
        idle = {connection: before.get(connection, now) for connection in self._connections if _is_idle(connection)}
        late = [connection for connection, since in idle.items() if now - since >= LAME_DUCK]
        for connection in _without_unread(late):
            connection.transport.close()
        return idle

    def _begin_drain(self) -> None:
        if self._drain_began or self._loop is None:
            return
        self._drain_began = self._loop.time()
        self._idle_before = {one: one.cycle for one in self._connections if _is_idle(one)}
        self._worker.drain()
        self._say_close()
        self._loop.call_later(LAST_LOOK, self._close_door_when_alone)
        self._loop.call_later(LAME_DUCK, self._close_door)

    def _say_close(self) -> None:
        """Every answer that begins from now on says `Connection: close`."""
        close = (b"connection", b"close")
        self.config.encoded_headers.append(close)
        self.server_state.default_headers = [*self.server_state.default_headers, close]
        for connection in self._connections:
            cycle = connection.cycle
            if cycle is not None and not cycle.response_started:
                cycle.keep_alive = False

    def _close_door_when_alone(self) -> None:
        if not self._connections:
            self._close_door()

    def _close_door(self) -> None:
        self.should_exit = True

    def _lifeline_moved(self) -> None:
        if self._loop is None or os.read(self._spec.lifeline, 1) != b"":
            return
        self._loop.remove_reader(self._spec.lifeline)
        self._orphaned = True
        signal.alarm(int(self._spec.grace) + ORPHAN_MARGIN)
        self._begin_drain()


def tell(spec: PartSpec, notice: Notice) -> None:
    """Say something to the supervisor; when it is gone, end as it would have us end."""
    if spec.notify < 0:
        return
    try:
        os.write(spec.notify, msgspec.json.encode(notice) + b"\n")
    except BrokenPipeError:
        signal.raise_signal(signal.SIGTERM)


def _failure(error: ModelwrightError) -> Notice:
    return Notice(state="failed", detail=str(error), fatal=isinstance(error, StartError))


def _is_idle(connection: Any) -> bool:
    """Between two exchanges, or before the first."""
    return connection.cycle is None or connection.cycle.response_complete


def _without_unread(connections: Sequence[Any]) -> list[Any]:
    """Those that hold no request which has arrived but was not read: closing the others now would lose it."""
    poll = select.poll()
    numbers = [connection.transport.get_extra_info("socket").fileno() for connection in connections]
    for number in numbers:
        poll.register(number, select.POLLIN)
    unread = {number for number, event in poll.poll(0) if event & select.POLLIN}
    return [connection for connection, number in zip(connections, numbers, strict=True) if number not in unread]
