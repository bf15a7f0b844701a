"""The serving worker: one model on its own socket, with health, status and metrics beside the model's wire.

Which door a model has is decided in app/wiring/serving.py; everything about a wire is its door's business.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from modelwright.app.lifecycle import Worker, start_worker
from modelwright.app.parts import ModelPart, Notice, PartSpec
from modelwright.app.wiring.serving import ENVELOPES, ServingParts, check_file, check_unchanged
from modelwright.core.contracts.events import ModelLoaded
from modelwright.core.errors.calls import ModelUnavailable
from modelwright.core.errors.starting import StartError
from modelwright.core.resources.wants import told_numbers
from modelwright.core.status import Busy
from modelwright.core.wire.status import status_of
from modelwright.serving.door import JSON, Door, Receive, Scope, Send, loading, send_answer

SWITCH_SECONDS = 0.0005
"""How long a thread keeps the interpreter: the engine's thread must not wait 5 ms, Python's default, for the loop."""
LAST_WORDS = 0.1
"""Seconds in which the last answers are written after the engine was lost."""

_log = logging.getLogger("modelwright.serving")
_METRICS = [(b"content-type", CONTENT_TYPE_LATEST.encode())]


class ServingWorker:
    """One model behind its own socket."""

    def __init__(self, part: ModelPart, parts: ServingParts) -> None:
        self._part = part
        self._parts = parts
        self._door: Door | None = None
        self._ready = False
        self._draining = False
        self._started = asyncio.Event()
        """The model is loaded, or cannot be."""
        self._problem = ""
        self._waiting = 0
        self._seconds = 0.0
        self._registry = CollectorRegistry()
        self._own: dict[str, Callable[[Send], Awaitable[None]]] = {
            "/healthz": self._health,
            "/readyz": self._readiness,
            "/status": self._status,
            "/metrics": self._metrics,
        }

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = self._own.get(scope["path"])
        if own is not None:
            await own(send)
            return
        begun = self._parts.clock.monotonic()
        if self._part.on_demand and not self._started.is_set() and self._waiting < self._part.queue_rows:
            await self._wait()
        if self._door is not None and not self._problem:
            await self._door.answer(scope, receive, send)
        else:
            error = ModelUnavailable(self._problem, retry_after=1.0) if self._problem else loading(self._part.model)
            body = ENVELOPES[self._part.wire](error)
            await send_answer(send, status_of(error), body, headers=[JSON, (b"retry-after", b"1")])
        self._seconds += self._parts.clock.monotonic() - begun

    async def _wait(self) -> None:
        """A call has started this process: it and those after it wait until the model is loaded, or cannot be."""
        self._waiting += 1
        try:
            await self._started.wait()
        finally:
            self._waiting -= 1

    async def start(self) -> Notice:
        """The engine's library is imported on a thread, so that requests are answered meanwhile."""
        part = self._part
        try:
            marks = await asyncio.to_thread(check_file, part, state=self._parts.state)
            self._door = door = await asyncio.to_thread(self._parts.door, part, on_lost=self._lost)
            self._registry.register(door)
            took = await door.start()
            await asyncio.to_thread(check_unchanged, part, marks)
        except StartError as error:
            self._problem = f"model {part.told} cannot be loaded: {error.message}"
            return Notice(state="failed", detail=str(error), fatal=True)
        finally:
            self._started.set()
        self._parts.tell(
            ModelLoaded(
                at=self._parts.clock.now(),
                model=part.model,
                engine=part.engine,
                digest=part.digest,
                load_ms=round(took.load_ms, 1),
                warmup_ms=round(took.warmup_ms, 1),
            )
        )
        self._ready = not self._draining
        return Notice(state="ready", detail=", ".join(filter(None, (f"{part.told} by {part.engine}", took.tuned))))

    def drain(self) -> None:
        self._draining = True
        self._ready = False

    async def stop(self) -> None:
        await self.end()
        self._parts.close()

    async def end(self) -> None:
        """Give thread and memory back."""
        if self._door is not None:
            await self._door.stop()

    def busy(self) -> Busy:
        """The numbers of now."""
        return msgspec.structs.replace(self._parts.busy(self._door), seconds=self._seconds)

    def collect(self) -> Iterable[Metric]:
        """What `/metrics` tells of the model."""
        return self._door.collect() if self._door is not None else ()

    def _lost(self, error: BaseException) -> None:
        """The engine is gone and everyone who waited was told: end, so that the supervisor starts anew."""
        self._ready = False
        _log.critical("the engine of model %s is lost: %s", self._part.model, error, exc_info=error)
        asyncio.get_running_loop().call_later(LAST_WORDS, os._exit, 1)

    async def _health(self, send: Send) -> None:
        await send_answer(send, 200, b'{"status":"alive"}')

    async def _readiness(self, send: Send) -> None:
        if self._ready:
            await send_answer(send, 200, b'{"status":"ready"}')
            return
        state = b"draining" if self._draining else b"loading"
        await send_answer(send, 503, b'{"status":"%b"}' % state, headers=[JSON, (b"retry-after", b"1")])

    async def _status(self, send: Send) -> None:
        await send_answer(send, 200, msgspec.json.encode(self.busy()))

    async def _metrics(self, send: Send) -> None:
        await send_answer(send, 200, generate_latest(self._registry), headers=_METRICS)


def _make(spec: PartSpec) -> Worker:
    _bind(spec)
    if spec.group:
        group: Worker = import_module("modelwright.app.workers.serving_group").GroupWorker(
            spec.group, ServingParts(spec)
        )
        return group
    if spec.model is None:
        raise StartError(f"the spec of {spec.name} names no model", hint="a serving worker loads exactly one")
    return ServingWorker(spec.model, ServingParts(spec))


def _bind(spec: PartSpec) -> None:
    """To the processors that it was given; every thread and process that it starts from now on has the same."""
    if not spec.given.cpus:
        return
    try:
        os.sched_setaffinity(0, spec.given.cpus)
    except OSError as error:
        raise StartError(
            f"{spec.name} cannot be bound to CPU {told_numbers(spec.given.cpus)}: {error.strerror}",
            hint="the processors have changed: start modelwright up again",
        ) from error


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_SECONDS)
    sys.exit(start_worker(sys.argv, _make))
