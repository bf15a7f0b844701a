"""The life of a worker process: inherited sockets, readiness told to the supervisor, drain on SIGTERM or a lost supervisor.

It knows nothing of what the worker answers; workers of every kind run through `run_worker`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import msgspec
import uvicorn

from modelwright.app.parts import Notice, PartSpec

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

LAME_DUCK = 0.25
"""Seconds between the first sign of a drain and the closing of the door: keep-alive clients get one last answer, which
says `Connection: close`, and balancers see `/readyz` fail, so that nobody sends into a closed connection."""


class Worker(Protocol):
    """What a worker process runs."""

    asgi: AsgiApp

    async def start(self) -> Notice:
        """Load; the notice (ready or failed) goes to the supervisor. The door is already open and must answer 503."""
        ...

    def drain(self) -> None:
        """From now on `/readyz` fails and every answer says `Connection: close`."""
        ...

    async def stop(self) -> None:
        """All answers are sent: flush and close."""
        ...


def read_spec(argv: list[str]) -> PartSpec:
    """The spec file named by the only argument."""
    return msgspec.json.decode(Path(argv[1]).read_bytes(), type=PartSpec)


def run_worker(spec: PartSpec, worker: Worker) -> int:
    """Serve until told to stop; the exit status of the process."""
    config = uvicorn.Config(
        worker.asgi,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
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
        self._draining = False
        self._status = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def live(self) -> int:
        self._loop = asyncio.get_running_loop()
        if self._spec.lifeline >= 0:
            self._loop.add_reader(self._spec.lifeline, self._lifeline_moved)
        starting = asyncio.ensure_future(self._start())
        sockets = [socket.socket(fileno=number) for number in self._spec.sockets.values()]
        await self.serve(sockets=sockets)
        starting.cancel()
        await self._worker.stop()
        return self._status

    async def _start(self) -> None:
        self._tell(Notice(state="starting"))
        notice = await self._worker.start()
        self._tell(notice)
        if notice.state == "failed":
            self._status = 1
            self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Called for SIGTERM and SIGINT; a terminal's Ctrl-C never comes here, since workers have their own session."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin_drain)

    def _begin_drain(self) -> None:
        if self._draining or self._loop is None:
            return
        self._draining = True
        self._worker.drain()
        self._loop.call_later(LAME_DUCK, self._close_door)

    def _close_door(self) -> None:
        self.should_exit = True

    def _lifeline_moved(self) -> None:
        if os.read(self._spec.lifeline, 1) == b"" and self._loop is not None:
            self._loop.remove_reader(self._spec.lifeline)
            self._begin_drain()

    def _tell(self, notice: Notice) -> None:
        if self._spec.notify < 0:
            return
        try:
            os.write(self._spec.notify, msgspec.json.encode(notice) + b"\n")
        except BrokenPipeError:  # the supervisor is gone; the lifeline says so too
            signal.raise_signal(signal.SIGTERM)
