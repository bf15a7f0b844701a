"""The serving worker: loads one model, answers on its own socket, and tells the supervisor when it is ready.

Which wire a model speaks is chosen here; everything about that wire is its door's business.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from modelwright.app.clock import SystemClock
from modelwright.app.lifecycle import read_spec, run_worker
from modelwright.app.parts import ModelPart, Notice
from modelwright.app.plugins import tensor_engine
from modelwright.core.contracts.events import Event
from modelwright.core.errors import BadModelFile, StartError
from modelwright.core.ports.engines import EngineConfig
from modelwright.serving.batching import Limits
from modelwright.serving.door import JSON, Door, Receive, Scope, Send, send_answer
from modelwright.serving.http_v2 import TensorModel, V2Door

SWITCH_SECONDS = 0.0005
"""How long a thread keeps the interpreter: the engine's thread must not wait 5 ms, Python's default, for the loop."""
_PAGE = 4096


def door_of(part: ModelPart, tell: Callable[[Event], None]) -> Door:
    """The door for a model, by its wire; nothing is loaded yet. Raises StartError."""
    if part.wire == "v2":
        return V2Door(
            _tensor_model(part), functools.partial(tensor_engine, part.engine), clock=SystemClock(), tell=tell
        )
    raise StartError(f"model {part.model} speaks {part.wire!r}, which no door does", hint="use v2 or openai")


class ServingWorker:
    """One model behind its own socket: the wire's door, and beside it health, status and metrics."""

    def __init__(self, part: ModelPart, door: Door) -> None:
        self._part = part
        self._door = door
        self._ready = False
        self._draining = False
        self._registry = CollectorRegistry()
        self._registry.register(door)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = _OWN.get(scope["path"])
        if own is None:
            await self._door.answer(scope, receive, send)
        else:
            await own(self, send)

    async def start(self) -> Notice:
        part = self._part
        try:
            if part.digest:
                await asyncio.to_thread(check_digest, part)
            await self._door.start()
        except StartError as error:
            return Notice(state="failed", detail=str(error), fatal=True)
        self._ready = not self._draining
        return Notice(state="ready", detail=f"{part.model} by {part.engine}")

    def drain(self) -> None:
        self._draining = True
        self._ready = False

    async def stop(self) -> None:
        await self._door.stop()

    async def _health(self, send: Send) -> None:
        await send_answer(send, 200, b'{"status":"alive"}')

    async def _readiness(self, send: Send) -> None:
        if self._ready:
            await send_answer(send, 200, b'{"status":"ready"}')
            return
        state = b"draining" if self._draining else b"loading"
        await send_answer(send, 503, b'{"status":"%b"}' % state, headers=[JSON, (b"retry-after", b"1")])

    async def _status(self, send: Send) -> None:
        busy = msgspec.structs.replace(self._door.busy(), memory_mb=_resident_mb())
        await send_answer(send, 200, msgspec.json.encode(busy))

    async def _metrics(self, send: Send) -> None:
        kind = (b"content-type", CONTENT_TYPE_LATEST.encode())
        await send_answer(send, 200, generate_latest(self._registry), headers=[kind])


_OWN = {
    "/healthz": ServingWorker._health,  # noqa: SLF001 - the class's own table
    "/readyz": ServingWorker._readiness,  # noqa: SLF001
    "/status": ServingWorker._status,  # noqa: SLF001
    "/metrics": ServingWorker._metrics,  # noqa: SLF001
}


def check_digest(part: ModelPart) -> None:
    """Raise BadModelFile unless the file is the one that the manifest names."""
    try:
        with Path(part.path).open("rb") as file:
            found = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BadModelFile(
            f"{part.path} cannot be read: {error.strerror}", hint="check the path", place=f"model {part.model}"
        ) from error
    if found != part.digest:
        raise BadModelFile(
            f"{part.path} has the digest {found}, the manifest says {part.digest}",
            hint="fetch the file again, or correct the digest",
            place=f"model {part.model}",
        )


def _tensor_model(part: ModelPart) -> TensorModel:
    return TensorModel(
        config=EngineConfig(
            model=part.model, path=part.path, threads=part.threads, precision=part.precision, options=part.options
        ),
        engine=part.engine,
        digest=part.digest,
        limits=Limits(max_rows=part.max_rows, queue_rows=part.queue_rows, queue_bytes=part.queue_bytes),
        max_body=part.max_body,
        check=part.check.encode(),
    )


def _resident_mb() -> float:
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE / 1e6
    except OSError:
        return 0.0


def _say(event: Event) -> None:
    sys.stdout.write(msgspec.json.encode(event).decode() + "\n")
    sys.stdout.flush()


def main(argv: list[str]) -> int:
    """Run until told to stop; the exit status."""
    sys.setswitchinterval(SWITCH_SECONDS)
    spec = read_spec(argv)
    if spec.model is None:
        raise StartError("a serving worker needs a model in its spec")
    return run_worker(spec, ServingWorker(spec.model, door_of(spec.model, _say)))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
