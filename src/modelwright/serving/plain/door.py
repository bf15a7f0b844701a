"""The door of a class of the user's own: plain JSON and forms in, JSON or a stream out, as raw ASGI.

Calls are not joined; how many run at once is bounded, how many wait, for how long, and with how many bytes.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from prometheus_client.core import Metric

from modelwright.core.errors.calls import (
    CallError,
    MethodNotAllowed,
    ModelUnavailable,
    Stopped,
    UnknownEndpoint,
    Unprocessable,
)
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import Answer, CustomEngine, CustomSignature, EngineConfig, Invocation, Pieces
from modelwright.core.status import Busy
from modelwright.core.wire import v2
from modelwright.core.wire.bodies.packed import unpack
from modelwright.core.wire.openai import error_body
from modelwright.core.wire.sse import DONE, FAILED, MACHINE, event_bytes, wants_stream
from modelwright.serving.answering import Answering, send_error
from modelwright.serving.door import (
    Header,
    Loaded,
    Receive,
    Scope,
    Send,
    cancel_when_gone,
    coding_of,
    content_length,
    loading,
    read_body,
    send_answer,
)
from modelwright.serving.metrics import counter, gauge
from modelwright.serving.plain.describe import openapi
from modelwright.serving.plain.forms import given
from modelwright.serving.plain.places import Places, Seat

LONG_BODY = 64 << 10
"""Bytes of a request that is read on a thread: it would keep all others waiting."""
_EVENTS: list[Header] = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")]

_log = logging.getLogger(__name__)


class CustomBounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much one worker takes on."""

    queue: int
    """Requests that may wait."""
    queue_bytes: int
    """Bytes of requests that may wait."""
    max_body: int
    seconds: float
    """Longest that a call, or one piece of a stream, may take."""


class CustomDoor:
    """One class behind `POST /predict/<model>`."""

    def __init__(
        self,
        engine: CustomEngine,
        config: EngineConfig,
        *,
        bounds: CustomBounds,
        check: bytes,
        on_lost: Callable[[BaseException], None],
        version: str = v2.VERSION,
    ) -> None:
        """`check` is a request that proves readiness, empty for none; `on_lost` ends the worker."""
        self._engine = engine
        self._config = config
        self._name = config.model
        self._bounds = bounds
        self._check = check
        self._on_lost = on_lost
        self._version = version
        self._path = f"/predict/{self._name}"
        self._limit = min(bounds.max_body, bounds.queue_bytes)
        self._signature: CustomSignature | None = None
        self._places: Places | None = None
        self._held = 0
        """Bytes of requests that arrive or wait."""
        self._requests = Answering(config.model)

    async def start(self) -> Loaded:
        """Load the class and have it answer the check request; raises StartError."""
        begun = time.monotonic()
        signature = await asyncio.to_thread(self._engine.load, self._config)
        self._places = Places(
            signature.at_once,
            queue=self._bounds.queue,
            seconds=self._bounds.seconds,
            one_loop=signature.one_loop,
            model=self._name,
            on_hung=lambda problem: self._on_lost(ModelUnavailable(f"model {self._name!r} hangs: {problem}")),
        )
        loaded = time.monotonic()
        if self._check:
            await self._warm_up(self._places, signature)
        self._signature = signature
        return Loaded(load_ms=1000 * (loaded - begun), warmup_ms=1000 * (time.monotonic() - loaded))

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; every failure becomes the wire's envelope."""
        if scope["path"] != self._path or scope["method"] != "POST":
            await self._describe(scope, send)
            return
        await self._requests.one(self._predict(scope["headers"], receive, send), send, path=self._path)

    async def stop(self) -> None:
        """All answers are sent: give the memory back."""
        self._engine.close()

    def busy(self) -> Busy:
        """The numbers of now."""
        own = self._requests
        queued = self._places.waiting if self._places else 0
        return Busy(in_flight=own.in_flight, calls=own.calls, errors=own.errors, queued=queued)

    def collect(self) -> Iterator[Metric]:
        """What `/metrics` tells."""
        name, own = self._name, self._requests
        yield counter("requests", "Inference requests.", model=name, value=own.calls)
        yield counter("request_errors", "Inference requests not answered 200.", model=name, value=own.errors)
        if self._places is not None:
            yield gauge("queue_rows", "Rows that wait.", model=name, value=self._places.waiting)
            yield gauge("queue_bytes", "Bytes of input that wait.", model=name, value=self._held)

    async def _warm_up(self, places: Places, signature: CustomSignature) -> None:
        try:
            call = self._engine.read(self._check, stream=False)
            await self._whole(await places.take(), call, joined=not signature.whole)
        except CallError as error:
            raise StartError(
                f"its check request was not answered: {error.message}",
                hint=error.hint or "mend the file that `check` names, or the class",
                place=f"model {self._name}",
            ) from error

    async def _predict(self, headers: list[Header], receive: Receive, send: Send) -> None:
        places = self._places
        if self._signature is None or places is None:
            raise loading(self._name)
        stated, coding = content_length(headers), coding_of(headers)
        held = self._limit if stated is None or coding else min(stated, self._limit)
        if places.full or self._held + held > self._bounds.queue_bytes:
            raise places.overloaded()
        stream = any(name == b"accept" and wants_stream(value) for name, value in headers)
        self._held += held
        watcher = None
        try:
            try:
                body = await read_body(receive, limit=self._limit, stated=stated)
                call = await self._read(body, headers, coding=coding, stream=stream)
                watcher = asyncio.ensure_future(cancel_when_gone(receive, asyncio.current_task()))
                seat = await places.take()
            finally:
                self._held -= held
            await (self._stream(seat, call, send) if stream else self._once(seat, call, send))
        except asyncio.CancelledError:
            if watcher is None or not watcher.done():
                raise
            raise Stopped("the client left") from None
        finally:
            if watcher is not None:
                watcher.cancel()

    async def _read(self, body: bytes, headers: list[Header], *, coding: bytes, stream: bool) -> Invocation:
        def read() -> Invocation:
            whole = unpack(body, coding, limit=self._limit) if coding else body
            return self._engine.read(given(whole, headers), stream=stream)

        return read() if len(body) < LONG_BODY and not coding else await asyncio.to_thread(read)

    async def _once(self, seat: Seat, call: Invocation, send: Send) -> None:
        answer = await self._whole(seat, call, joined=self._signature is not None and not self._signature.whole)
        headers = [(b"content-type", answer.content_type.encode("latin-1", "replace")), _machine(seat)]
        await send_answer(send, 200, answer.body, headers=headers)

    async def _whole(self, seat: Seat, call: Invocation, *, joined: bool) -> Answer:
        """The answer in one piece; the place is given back."""
        pieces, found = call.pieces() if joined else None, list[bytes]()
        try:
            if pieces is None:
                return await seat.wait(call.answer())
            while (piece := await seat.wait(pieces.next())) is not None:
                found.append(piece)
            return Answer(b"[" + b",".join(found) + b"]")
        finally:
            seat.leave(pieces.close() if pieces is not None else None)

    async def _stream(self, seat: Seat, call: Invocation, send: Send) -> None:
        pieces: Pieces | None = None
        started = False
        try:
            pieces = call.pieces()
            while (piece := await seat.wait(pieces.next())) is not None:
                if not started:
                    await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
                    started = True
                await send({"type": "http.response.body", "body": event_bytes(piece), "more_body": True})
            end = event_bytes(DONE)
        except CallError as error:
            if not started:
                raise
            self._requests.errors += 1
            end = FAILED + event_bytes(error_body(error))
        finally:
            seat.leave(pieces.close() if pieces is not None else None)
        if not started:
            await send({"type": "http.response.start", "status": 200, "headers": _EVENTS})
        took = MACHINE + event_bytes(b"%d" % math.ceil(seat.seconds * 1e6))
        await send({"type": "http.response.body", "body": took + end})

    async def _describe(self, scope: Scope, send: Send) -> None:
        try:
            await send_answer(send, 200, self._told(scope["method"], scope["path"]))
        except CallError as error:
            await send_error(send, error, path=scope["path"])

    def _told(self, method: str, path: str) -> bytes:
        if self._signature is None:
            raise loading(self._name)
        if path == f"{self._path}/openapi.json" and method in {"GET", "HEAD"}:
            return openapi(self._name, self._signature)
        if path == self._path:
            raise MethodNotAllowed(f"{method} is not answered at {path}", hint="use POST")
        route = v2.read_path(path)
        if route is not None and route.model in {"", self._name} and route.version in {"", self._version}:
            return self._of_v2(route)
        raise UnknownEndpoint(f"{path[:200]} is no path of this model", hint=f"use POST {self._path}")

    def _of_v2(self, route: v2.Route) -> bytes:
        match route.action:
            case "model_ready":
                return msgspec.json.encode({"name": self._name, "ready": True})
            case "metadata":
                content: dict[str, Any] = {"name": self._name, "versions": [self._version], "platform": "python"}
                return msgspec.json.encode({**content, "inputs": [], "outputs": []})
            case "infer" | "config" | "stats":
                raise Unprocessable(f"model {self._name!r} takes no tensors", hint=f"use POST {self._path}")
            case _:
                return b'{"ready":true}'


def _machine(seat: Seat) -> Header:
    return v2.MACHINE_HEADER, b"%d" % math.ceil(seat.seconds * 1e6)
