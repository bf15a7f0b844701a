"""The OpenAI door of a model that an engine's own server runs: started, proved by an answer, watched, passed on to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

import msgspec
from prometheus_client.core import Metric

from modelwright.core.errors.calls import CallError, ModelUnavailable, Overloaded, UnknownEndpoint
from modelwright.core.errors.starting import EngineEnded, StartError
from modelwright.core.ports.external.servers import ServerPlan, ServerProcess
from modelwright.core.ports.http import UpstreamResponse
from modelwright.core.status import Busy
from modelwright.core.wire.bodies.packed import unpacked
from modelwright.core.wire.openai import error_body, error_message, unreadable, with_fields
from modelwright.core.wire.sse import event_bytes
from modelwright.core.wire.unreadable import UNREADABLE
from modelwright.serving.answering import Answering
from modelwright.serving.door import (
    JSON,
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
from modelwright.serving.external.server import MOST_BYTES, EngineServer
from modelwright.serving.external.told import Told
from modelwright.serving.http_openai import MODELS, models
from modelwright.serving.text.counts import Load, TextCounts, load_families

PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings")
LOOK = 1.0
"""Seconds between two looks at its metrics."""
POLL = 0.1
"""Seconds between two looks while it starts."""
MISSES = 5
"""Looks in a row at which it does not say that it lives, after which it is taken for lost."""
_PASSED = frozenset({b"content-type", b"retry-after"})


class ExternalBounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much it takes on."""

    max_sequences: int
    """Requests that its engine runs at once."""
    queue: int
    """Requests that may wait there."""
    max_body: int
    """Bytes."""
    load_timeout: float
    """Seconds until it must have answered."""


class ExternalDoor:
    """One model behind an engine's own server."""

    def __init__(
        self,
        model: str,
        plan: ServerPlan,
        *,
        process: ServerProcess,
        server: EngineServer,
        bounds: ExternalBounds,
        check: bytes,
        on_lost: Callable[[BaseException], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`check` is a chat request that proves readiness, empty for one token; `on_lost` ends the worker."""
        self._model = model
        self._plan = plan
        self._process = process
        self._server = server
        self._bounds = bounds
        self._check = check
        self._on_lost = on_lost
        self._now = now
        self._ready = False
        self._stopping = False
        self._told = Told()
        self._watching: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[str] | None = None
        self._counts = TextCounts()
        self._requests = Answering(model)
        self._refused = 0

    async def start(self) -> Loaded:
        """Start the server and have it answer; raises StartError, or EngineEnded when another start may go better."""
        begun = self._now()
        await self._process.start(self._plan)
        self._ending = asyncio.create_task(self._process.ended())
        starting = asyncio.create_task(self._come_up())
        done, _ = await asyncio.wait(
            (starting, self._ending), timeout=self._bounds.load_timeout, return_when=asyncio.FIRST_COMPLETED
        )
        if starting not in done:
            starting.cancel()
            raise EngineEnded(
                f"the server of {self._model} {self._ending.result()}"
                if done
                else f"the server of {self._model} has not answered within {self._bounds.load_timeout:g} s",
                hint="see the part's log, and `engine.arguments`" if done else "raise `engine.load_timeout`",
            )
        alive = starting.result()
        await self._look()
        self._ready = True
        self._watching = asyncio.create_task(self._watch(self._ending))
        return Loaded(load_ms=1000 * (alive - begun), warmup_ms=1000 * (self._now() - alive))

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one HTTP request on; our failures become the wire's envelope, the engine's own stay as they are."""
        await self._requests.one(self._answer(scope, receive, send), send, path=scope["path"])

    async def stop(self) -> None:
        """All answers are sent: end the server."""
        self._stopping = True
        if self._watching is not None:
            self._watching.cancel()
        await self._process.stop()
        await self._server.close()

    def busy(self) -> Busy:
        """The numbers of now."""
        _, waiting = self._under_way()
        errors = self._requests.errors + self._counts.broken_streams
        return Busy(in_flight=self._requests.in_flight, calls=self._requests.calls, errors=errors, queued=int(waiting))

    def collect(self) -> Iterable[Metric]:
        """Our own numbers, and the engine's in our words."""
        running, waiting = self._under_way()
        told = self._told
        load = Load(running=running, waiting=waiting, cache=told.cache, refused=self._refused)
        tokens = None if told.tokens_out is None else (told.tokens_in or 0.0, told.tokens_out)
        return [*load_families(load, model=self._model), *self._counts.collect(self._model, tokens=tokens)]

    def _under_way(self) -> tuple[float, float]:
        """(running, waiting) as the engine tells it, or as it must be."""
        if self._told.running is not None and self._told.waiting is not None:
            return self._told.running, self._told.waiting
        running = min(self._requests.in_flight, self._bounds.max_sequences)
        return running, self._requests.in_flight - running

    async def _come_up(self) -> float:
        """Until it has answered a real request; when it said that it lives."""
        while True:
            if await self._server.alive():
                break
            await asyncio.sleep(POLL)
        alive = self._now()
        for command in self._plan.prepare:
            await self._process.run(self._plan, command)
        await self._prove()
        return alive

    async def _prove(self) -> None:
        """Weights are loaded when there is an answer; until then most engines say 503 or 404."""
        path, body = "/v1/completions", b'{"prompt":"hello","max_tokens":1}'
        if self._check:
            path, body = "/v1/chat/completions", with_fields(self._check, {"stream": False})
        body = with_fields(body, {"model": self._plan.model})
        while True:
            try:
                response = await self._server.post(path, body)
                said = await response.read(MOST_BYTES)
            except CallError as error:
                status, words = 503, str(error)
            else:
                status, words = response.status, error_message(said)
            if status == 200:
                return
            if status in {400, 401, 413, 422}:
                raise StartError(
                    f"model {self._model} does not answer its check request: {status} {words}",
                    hint="mend the file that `check` names, or the model's chat template",
                )
            await asyncio.sleep(POLL)

    async def _watch(self, ending: asyncio.Task[str]) -> None:
        """Keep its numbers fresh; when it ends, or says no more that it lives, the worker ends, to be started anew."""
        misses = 0
        while misses < MISSES:
            await asyncio.wait((ending,), timeout=LOOK)
            if ending.done():
                break
            misses = 0 if await self._look() or await self._server.alive() else misses + 1
        self._ready = False
        if not self._stopping:
            words = ending.result() if ending.done() else "says no more that it lives"
            self._on_lost(EngineEnded(f"the server of {self._model} {words}", hint="see the part's log"))

    async def _look(self) -> bool:
        """Read its numbers; whether it told them."""
        told = await self._server.told()
        self._told = told or self._told
        return told is not None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if not self._ready:
            raise loading(self._model)
        if path == MODELS and method == "GET":
            await send_answer(send, 200, models(self._model))
            return
        if path not in PATHS or method != "POST":
            raise UnknownEndpoint(
                f"{method} {path[:200]} is nothing that model {self._model!r} answers",
                hint="use POST /v1/chat/completions, /v1/completions or /v1/embeddings",
            )
        if self._requests.in_flight > self._bounds.max_sequences + self._bounds.queue:
            self._refused += 1
            raise Overloaded(
                f"{self._requests.in_flight - 1} requests are under way, as many as may",
                hint="send the request again later",
                retry_after=1.0,
            )
        headers, limit = scope["headers"], self._bounds.max_body
        coding = coding_of(headers)
        body = await read_body(receive, limit=limit, stated=content_length(headers))
        body = await unpacked(body, coding, limit=limit)
        watcher = asyncio.ensure_future(cancel_when_gone(receive, asyncio.current_task()))
        try:
            await self._pass_on(path, _named(body, self._plan.model), send)
        except asyncio.CancelledError:
            self._counts.abandoned += 1
            return  # the client left: the engine sees its connection closed
        finally:
            watcher.cancel()

    async def _pass_on(self, path: str, body: bytes, send: Send) -> None:
        begun = self._now()
        try:
            response = await self._server.post(path, body)
        except CallError as error:
            raise _lost(error) from error
        try:
            headers = [pair for pair in response.headers if pair[0] in _PASSED] or [JSON]
            if any(value.startswith(b"text/event-stream") for _, value in headers):
                await self._stream(response, headers, send=send, begun=begun)
                return
            try:
                answer = await response.read(MOST_BYTES)
            except CallError as error:
                raise _lost(error) from error
            self._requests.errors += response.status >= 500
            await send_answer(send, response.status, answer, headers=headers)
        finally:
            response.close()

    async def _stream(
        self, response: UpstreamResponse, headers: list[tuple[bytes, bytes]], *, send: Send, begun: float
    ) -> None:
        """Every piece as it comes."""
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        first, pieces = 0.0, 0
        try:
            async for piece in response.chunks():
                if not pieces:
                    first = self._now()
                    self._counts.began(first - begun)
                pieces += 1
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        except CallError as error:
            self._counts.broken_streams += 1
            await send({"type": "http.response.body", "body": event_bytes(error_body(_lost(error)))})
            return
        self._counts.ended(self._now() - first, tokens=pieces)
        await send({"type": "http.response.body", "body": b""})


def _named(body: bytes, model: str) -> bytes:
    try:
        return with_fields(body, {"model": model})
    except UNREADABLE as error:
        raise unreadable(error) from None


def _lost(error: CallError) -> ModelUnavailable:
    return ModelUnavailable(
        f"the engine's server was lost: {error.message}", hint="send the request again", retry_after=1.0
    )
