"""A serving worker of several small models, each behind its own door, all in one process; a bad one harms none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from modelwright.app.parts import ModelPart, Notice
from modelwright.app.wiring.serving import ServingParts
from modelwright.app.workers.serving import ServingWorker
from modelwright.core.errors.calls import UnknownEndpoint
from modelwright.core.status import Busy
from modelwright.core.wire import v2
from modelwright.core.wire.status import status_of
from modelwright.serving.door import JSON, Receive, Scope, Send, send_answer

_METRICS = [(b"content-type", CONTENT_TYPE_LATEST.encode())]
_SHOWN = 5


class GroupWorker:
    """Tensor models of one placement group behind one socket."""

    def __init__(self, group: Sequence[ModelPart], parts: ServingParts) -> None:
        self._parts = parts
        self._members = {part.model: ServingWorker(part, parts) for part in group}
        self._ready = False
        self._registry = CollectorRegistry()
        self._registry.register(self)

    async def asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        match path.split("/"):
            case ["", "v2", "models", name, *_] | ["", "predict", name, *_] if name in self._members:
                await self._members[name].asgi(scope, receive, send)
            case ["", "healthz"]:
                await send_answer(send, 200, b'{"status":"alive"}')
            case ["", "readyz"]:
                await send_answer(
                    send, 200 if self._ready else 503, b'{"ready":%s}' % str(self._ready).lower().encode()
                )
            case ["", "status"]:
                await send_answer(send, 200, msgspec.json.encode(self._busy()))
            case ["", "metrics"]:
                await send_answer(send, 200, generate_latest(self._registry), headers=_METRICS)
            case _:
                error = UnknownEndpoint(f"nothing is served at {path[:128]!r}", hint="name a model of this group")
                await send_answer(send, status_of(error), v2.error_body(error), headers=[JSON])

    async def start(self) -> Notice:
        """One after the other, so that they do not fight for the processors; one that fails is told of."""
        bad: list[str] = []
        for member in self._members.values():
            notice = await member.start()
            if notice.state != "ready":
                bad.append(notice.detail)
        if len(bad) == len(self._members):
            return Notice(state="failed", detail=bad[0], fatal=True)
        self._ready = True
        told = f"{len(self._members) - len(bad)} models"
        return Notice(state="ready", detail=f"{told}; broken: {'; '.join(bad[:_SHOWN])}" if bad else told)

    def drain(self) -> None:
        self._ready = False
        for member in self._members.values():
            member.drain()

    async def stop(self) -> None:
        await asyncio.gather(*(member.end() for member in self._members.values()))
        self._parts.close()

    def collect(self) -> Iterator[Metric]:
        """The families of all models, each family once."""
        families: dict[str, Metric] = {}
        for member in self._members.values():
            for family in member.collect():
                known = families.setdefault(family.name, family)
                if known is not family:
                    known.samples.extend(family.samples)
        yield from families.values()

    def _busy(self) -> Busy:
        each = [member.busy() for member in self._members.values()]

        def total(numbers: Iterable[int]) -> int:
            return sum(numbers)

        return Busy(
            in_flight=total(one.in_flight for one in each),
            calls=total(one.calls for one in each),
            errors=total(one.errors for one in each),
            queued=total(one.queued for one in each),
            seconds=sum(one.seconds for one in each),
            memory_mb=self._parts.busy(None).memory_mb,
        )
