"""Entry point of a gateway worker: the snapshot it answers by, its own door, and the small tasks beside its calls."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from prometheus_client import generate_latest

from modelwright.app.lifecycle import start_worker
from modelwright.app.parts import Notice, PartSpec
from modelwright.app.secret_stores.handing import want
from modelwright.app.wiring.gateway import GatewayParts
from modelwright.app.workers.recall import recall
from modelwright.core.contracts.events import SnapshotApplied, SnapshotRefused
from modelwright.core.contracts.snapshot import SNAPSHOT_VERSION, Snapshot
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.limits import LASTING
from modelwright.core.ports.http import Headers
from modelwright.core.tasks.talk import RUN
from modelwright.core.wire.v2 import PEER_HEADER
from modelwright.gateway.health import watch
from modelwright.gateway.http.gate import Gate
from modelwright.gateway.lanes import Replica

LOOK = 0.5
"""Seconds between two looks at the snapshot file: how long a revoked key lives when nobody pokes us."""
TEND = 1.0

_PLAIN = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]
_JSON = [(b"content-type", b"application/json")]
log = logging.getLogger("modelwright.gateway")


Mark: TypeAlias = tuple[int, int, int] | None
"""What tells one version of a file from another."""


class SnapshotFile:
    """The snapshot as control writes it; the one of an earlier run (another manifest) is not taken."""

    def __init__(self, runtime: Path) -> None:
        self._path = runtime / "snapshot.json"
        self._base = runtime / "base.json"
        self._seen: Mark = None

    def current(self) -> Snapshot | None:
        """The snapshot of this run, however often it is asked for; None while there is none that can be read."""
        try:
            snapshot = msgspec.json.decode(self._path.read_bytes(), type=Snapshot)
            base = msgspec.json.decode(self._base.read_bytes(), type=Snapshot)
        except (OSError, msgspec.MsgspecError):
            return None
        return snapshot if snapshot.manifest == base.manifest else None

    def forget(self) -> Mark:
        """The snapshot could not be taken: it is one that was not seen before, at the next look too. Its mark."""
        mark, self._seen = self._seen, None
        return mark

    def changed(self) -> Snapshot | None:
        """A snapshot that was not seen before; raises StartError or msgspec's errors, once per version of the file."""
        try:
            found = self._path.stat()
            mark = (found.st_ino, found.st_mtime_ns, found.st_size)
            if mark == self._seen:
                return None
            content, base = self._path.read_bytes(), self._base.read_bytes()
        except FileNotFoundError:
            return None
        self._seen = mark
        snapshot = msgspec.json.decode(content, type=Snapshot)
        if snapshot.manifest != msgspec.json.decode(base, type=Snapshot).manifest:
            return None
        if snapshot.v != SNAPSHOT_VERSION:
            raise StartError(
                f"snapshot version {snapshot.v}, this worker reads {SNAPSHOT_VERSION}", hint="start all parts anew"
            )
        return snapshot


class GatewayWorker:
    """One gateway worker process."""

    def __init__(self, spec: PartSpec) -> None:
        self._parts = GatewayParts(spec)
        self._file = SnapshotFile(Path(spec.runtime))
        self._first = asyncio.Event()
        self._refused: tuple[Mark, str] = (None, "")
        """Which snapshot was not taken last, and why: told once."""
        self._control = str(Path(spec.runtime, "control.sock"))
        self._recalled = False
        self._runtime = Path(spec.runtime)
        self._keys_refused = 0
        self._recalling = asyncio.Lock()
        self._parts.limiters.lost = lambda: self._spawn(self._recall())
        self._tasks: set[asyncio.Task[None]] = set()
        self._watches: dict[Replica, asyncio.Task[None]] = {}

    def asgi(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """The public door for TCP, our own for the Unix socket; no coroutine itself, since every call passes here."""
        server = scope["server"]
        if server is not None and server[1] is None:
            return self._own(scope, receive, send)
        return self._parts.door(scope, receive, send)

    @property
    def gate(self) -> Gate:
        """Turns requests away before they reach `asgi`."""
        return self._parts.gate

    async def start(self) -> Notice:
        parts = self._parts
        self._spawn(parts.listener.run())
        self._spawn(self._look_again_and_again())
        self._spawn(self._tend())
        await self._first.wait()
        return Notice(state="ready")

    def drain(self) -> None:
        self._parts.gateway.draining = True

    async def stop(self) -> None:
        parts = self._parts
        tasks = [*self._tasks, *self._watches.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await parts.caches.close()
        await parts.limiters.close()
        await parts.shadows.close()
        await parts.pool.close()
        parts.ledger.close()
        parts.listener.drain()
        parts.writer.close()

    async def _own(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith(RUN):
            await self._parts.runs(scope, receive, send)
            return
        if scope["path"].startswith("/v2"):
            await self._parts.door(_fronted(scope), receive, send)
            return
        match scope["method"], scope["path"]:
            case "GET", "/metrics":
                self._parts.listener.drain()
                await _answer(send, 200, headers=_PLAIN, body=generate_latest(self._parts.registry))
            case "GET", "/status":
                await _answer(send, 200, headers=_JSON, body=msgspec.json.encode(self._parts.busy()))
            case "GET", "/healthz":
                await _answer(send, 200, headers=_JSON, body=b"{}")
            case "GET", "/readyz":
                await _answer(send, 200 if self._parts.gateway.ready else 503, headers=_JSON, body=b"{}")
            case "POST", "/reload":
                self._look()
                await _answer(
                    send, 200, headers=_JSON, body=msgspec.json.encode({"serial": self._parts.gateway.serial})
                )
            case _:
                await _answer(send, 404, headers=_JSON, body=b"{}")

    async def _recall(self) -> None:
        """What was used of budgets before counts again."""
        if self._recalling.locked():
            return
        async with self._recalling:
            used = await recall(self._parts.pool, self._control)
        if used is not None:
            self._parts.limiters.restore(used)

    async def _begin(self) -> None:
        """Nobody is answered before budgets are known."""
        snapshot = self._file.current()
        while snapshot is None:
            await asyncio.sleep(LOOK / 10)
            snapshot = self._file.current()
        if any(limit.per in LASTING for limit in snapshot.limits.each) and not snapshot.redis:
            await self._recall()
        self._recalled = True

    async def _look_again_and_again(self) -> None:
        await self._begin()
        while True:
            try:
                self._look()
            except Exception:  # a defect of ours must not end the looking: the next snapshot may be a good one
                log.exception("the snapshot could not be taken")
            await asyncio.sleep(LOOK)

    def _look(self) -> None:
        """Take the snapshot if there is a new one; an unusable one is refused and the one before stays."""
        parts = self._parts
        if not self._recalled:
            return
        parts.key_source.look()
        if parts.handed.look():
            self._file.forget()  # the snapshot is as it was, what its references mean is not
        try:
            snapshot = self._file.changed()
            if snapshot is None:
                return
            parts.gateway.apply(snapshot)
        except (ModelwrightError, msgspec.MsgspecError, OSError, ValueError) as error:
            # What was in the way may pass, such as a secret's file that is just being replaced.
            refused = (self._file.forget(), str(error))
            if refused != self._refused:
                self._refused = refused
                parts.listener.emit(SnapshotRefused(at=time.time(), problem=str(error)))
            return
        parts.listener.emit(
            SnapshotApplied(
                at=time.time(),
                serial=snapshot.serial,
                endpoints=len(snapshot.endpoints),
                keys=len(snapshot.keys),
            )
        )
        self._watch_replicas()
        self._first.set()

    def _watch_replicas(self) -> None:
        wanted = set(self._parts.gateway.own_replicas)
        for replica in self._watches.keys() - wanted:
            self._watches.pop(replica).cancel()
        for replica in wanted - self._watches.keys():
            self._watches[replica] = asyncio.get_running_loop().create_task(watch(replica, self._parts.pool))

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(TEND)
            self._parts.ledger.tend()
            refused = self._parts.metrics.ended("provider_auth")
            if refused > self._keys_refused:
                want(self._runtime)
            self._keys_refused = refused

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(_report)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("a task beside the calls ended", exc_info=task.exception())


def _fronted(scope: Any) -> Any:
    """A request of the gRPC door, as if its client had come here."""
    peer = next((value for name, value in scope["headers"] if name == PEER_HEADER), b"")
    return {**scope, "client": (peer.decode("latin-1"), 0)}


async def _answer(send: Any, status: int, *, headers: Headers, body: bytes) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    sys.exit(start_worker(sys.argv, GatewayWorker))
