"""The OpenAI door of a serving worker: paths, bodies and envelopes of one text model, as raw ASGI."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from prometheus_client.core import Metric

from modelwright.core.errors.calls import CallError, ModelUnavailable, UnknownEndpoint
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import EngineConfig, TextCodec, TextEngine
from modelwright.core.status import Busy
from modelwright.core.wire.bodies.packed import unpacked
from modelwright.serving.answering import Answering
from modelwright.serving.door import (
    Loaded,
    Receive,
    Scope,
    Send,
    coding_of,
    content_length,
    loading,
    read_body,
    send_answer,
)
from modelwright.serving.text.counts import Load, TextCounts, load_families
from modelwright.serving.text.loop import TextLoop
from modelwright.serving.text.model import READERS, TextModel
from modelwright.serving.text.request import MOST_ANSWERS

MODELS = "/v1/models"


class TextBounds(msgspec.Struct, frozen=True, kw_only=True):
    """How much one worker takes on."""

    max_sequences: int
    """Answers that run at once."""
    queue: int
    """Requests that may wait for a place."""
    max_body: int
    """Bytes."""


class OpenAIDoor:
    """One text model behind the OpenAI wire."""

    def __init__(
        self,
        engine: TextEngine,
        config: EngineConfig,
        *,
        codec: Callable[[str], TextCodec],
        bounds: TextBounds,
        check: bytes,
        on_lost: Callable[[BaseException], None],
    ) -> None:
        """`check` is a chat request that proves readiness, empty for a one-token answer; `on_lost` ends the worker."""
        self._engine = engine
        self._config = config
        self._codec = codec
        self._bounds = bounds
        self._check = check
        self._on_lost = on_lost
        self._loop: TextLoop | None = None
        self._model: TextModel | None = None
        self._requests = Answering(config.model)

    async def start(self) -> Loaded:
        """Load the model and have it answer the check request, through the same way as any other."""
        begun = time.monotonic()
        self._loop = TextLoop(
            self._engine,
            max_sequences=self._bounds.max_sequences,
            queue_limit=self._bounds.queue,
            on_lost=self._on_lost,
        )
        signature = await self._loop.load(self._config)
        codec = await asyncio.to_thread(self._codec, self._config.path)
        most = min(MOST_ANSWERS, self._bounds.max_sequences + self._bounds.queue)
        model = TextModel(model=self._config.model, loop=self._loop, codec=codec, signature=signature, most=most)
        loaded = time.monotonic()
        await self._warm_up(model)
        self._model = model
        return Loaded(load_ms=1000 * (loaded - begun), warmup_ms=1000 * (time.monotonic() - loaded))

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; every failure becomes the wire's envelope."""
        await self._requests.one(self._answer(scope, receive, send), send, path=scope["path"])

    async def stop(self) -> None:
        """End the engine's thread."""
        if self._model is not None:
            self._model.close()
        if self._loop is not None:
            await self._loop.stop()

    def busy(self) -> Busy:
        """The numbers of now."""
        return Busy(
            in_flight=self._requests.in_flight,
            calls=self._requests.calls,
            errors=self._requests.errors + (self._model.counts.broken_streams if self._model else 0),
            queued=self._loop.waiting if self._loop else 0,
        )

    def collect(self) -> Iterable[Metric]:
        """Sequences, tokens and times, for `/metrics`."""
        name, loop = self._config.model, self._loop
        counts = self._model.counts if self._model else TextCounts()
        load = Load(running=0, waiting=0, cache=0.0, refused=0)
        if loop is not None:
            load = Load(running=loop.running, waiting=loop.waiting, cache=loop.cache_usage, refused=loop.refused)
        return [*load_families(load, model=name), *counts.collect(name, tokens=(counts.tokens_in, counts.tokens_out))]

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if self._model is None:
            raise loading(self._config.model)
        if path == MODELS and method == "GET":
            await send_answer(send, 200, models(self._config.model))
            return
        if path not in READERS or method != "POST":
            raise not_here(self._config.model, method, path)
        headers, limit = scope["headers"], self._bounds.max_body
        coding = coding_of(headers)
        body = await read_body(receive, limit=limit, stated=content_length(headers))
        body = await unpacked(body, coding, limit=limit)
        await self._model.answer(path, body, receive=receive, send=send)

    async def _warm_up(self, model: TextModel) -> None:
        default = {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}
        try:
            request: dict[str, Any] = msgspec.json.decode(self._check, type=dict[str, Any]) if self._check else default
            body = msgspec.json.encode({"model": self._config.model, **request, "stream": False})
            await model.answer("/v1/chat/completions", body, receive=_stays, send=_heard)
        except (CallError, msgspec.DecodeError) as error:
            raise StartError(
                f"model {self._config.model} does not answer its check request: {error}",
                hint="mend the file that `check` names, or the model's chat template",
            ) from error


def not_here(model: str, method: str, path: str) -> UnknownEndpoint:
    """The error of a path that language models do not have."""
    problem = f"{method} {path[:200]} is nothing that model {model!r} answers"
    if path.startswith(("/v2", "/predict/")):
        problem = f"{model!r} is a language model: it takes no tensors, and {path[:200]} tells nothing of it"
    return UnknownEndpoint(
        problem, hint="use POST /v1/chat/completions or /v1/completions; /openapi.json describes them"
    )


def models(name: str) -> bytes:
    """The answer to GET /v1/models: the one model of this worker."""
    return msgspec.json.encode(
        {"object": "list", "data": [{"id": name, "object": "model", "created": 0, "owned_by": "modelwright"}]}
    )


async def _stays() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise ModelUnavailable("nobody listens")


async def _heard(message: dict[str, Any]) -> None:
    """The warm-up's answer is judged by its coming, not by what it says."""
