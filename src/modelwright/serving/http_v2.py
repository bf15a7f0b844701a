"""The V2 door of a tensor model: health, metadata and inference over REST, with the binary tensor extension.

Raw ASGI, one model. Inputs are checked by tensors.py, batches run by runner.py, answers written by answers.py.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version

import msgspec
import numpy as np
from prometheus_client.core import HistogramMetricFamily, Metric

from modelwright.core.contracts.events import Event
from modelwright.core.errors import (
    CallError,
    Malformed,
    MethodNotAllowed,
    StartError,
    Stopped,
    UnknownEndpoint,
    UnknownPath,
    Unprocessable,
)
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.engines import EngineConfig, Signature, TensorEngine
from modelwright.core.status import Busy
from modelwright.core.wire import v2
from modelwright.core.wire.status import status_of
from modelwright.serving.answers import AnswerWriter
from modelwright.serving.batching import Limits
from modelwright.serving.door import (
    JSON,
    Header,
    Loaded,
    Receive,
    Scope,
    Send,
    counter,
    gauge,
    loading,
    read_body,
    send_answer,
)
from modelwright.serving.execution import Outcome
from modelwright.serving.runner import Pending, Runner
from modelwright.serving.tensors import DTYPES, TensorsReader

_log = logging.getLogger(__name__)
_STATEFUL = ("sequence_id", "sequence_start", "sequence_end")


class TensorModel(msgspec.Struct, frozen=True, kw_only=True):
    """What a V2 door serves."""

    config: EngineConfig
    engine: str
    """Kind of the engine, for metadata."""
    digest: str = ""
    limits: Limits = Limits()
    max_body: int = 32 << 20
    check: bytes = b""
    """A real request that proves readiness; empty: zeros of the signature."""


class _Serving(msgspec.Struct, frozen=True):
    """All that exists once the model is loaded."""

    signature: Signature
    runner: Runner
    reader: TensorsReader
    writer: AnswerWriter
    metadata: bytes


class V2Door:
    """Answers for one tensor model; `ready` is set once its warm-up request was answered."""

    def __init__(
        self, model: TensorModel, engine: TensorEngine, *, clock: Clock, tell: Callable[[Event], None]
    ) -> None:
        self._model = model
        self._name = model.config.model
        self._engine = engine
        self._clock = clock
        self._tell = tell
        self._serving: _Serving | None = None
        self._ready = False
        self._reading = 0
        self._in_flight = 0
        self._calls = 0
        self._errors = 0
        prefix = f"/v2/models/{self._name}"
        self._infer_paths = {f"{prefix}/infer", f"{prefix}/versions/{v2.VERSION}/infer"}

    async def start(self) -> Loaded:
        """Load the model, answer the check request, measure; raises StartError with the reason."""
        begin = self._clock.monotonic()
        signature = await asyncio.to_thread(self._engine.load, self._model.config)
        loaded = self._clock.monotonic()
        self._serving = self._composed(signature)
        await self._warm_up(self._serving)
        self._ready = True
        return Loaded(load_ms=1000 * (loaded - begin), warmup_ms=1000 * (self._clock.monotonic() - loaded))

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["path"] not in self._infer_paths or scope["method"] != "POST":
            await self._look_up(scope, send)
            return
        self._calls += 1
        self._in_flight += 1
        try:
            headers, body = await self._infer(scope["headers"], receive)
            await send_answer(send, 200, body, headers=headers)
        except CallError as error:
            self._errors += 1
            await _send_error(send, error)
        except Exception:  # noqa: BLE001 - one request's defect is its own
            self._errors += 1
            _log.exception("model %s: a request was not answered", self._name)
            await _send_error(send, CallError("an internal error", hint="see the worker's log"))
        finally:
            self._in_flight -= 1

    async def stop(self) -> None:
        """Finish what waits, then give thread and memory back."""
        self._ready = False
        if self._serving is not None:
            await self._serving.runner.stop()

    def busy(self) -> Busy:
        """The numbers of now."""
        queued = self._serving.runner.queue.rows if self._serving else 0
        return Busy(in_flight=self._in_flight, calls=self._calls, errors=self._errors, queued=queued)

    def collect(self) -> Iterator[Metric]:
        """What `/metrics` tells."""
        yield counter("requests", "Inference requests.", model=self._name, value=self._calls)
        yield counter(
            "request_errors", "Inference requests that were not answered 200.", model=self._name, value=self._errors
        )
        if self._serving is not None:
            yield from _batch_metrics(self._serving.runner, self._name)

    def _composed(self, signature: Signature) -> _Serving:
        limits = self._model.limits
        if not signature.batches:
            limits = msgspec.structs.replace(limits, joins=False)
        return _Serving(
            signature=signature,
            runner=Runner(self._engine, limits, model=self._name, clock=self._clock, tell=self._tell),
            reader=TensorsReader(signature, max_rows=limits.queue_rows, max_bytes=limits.queue_bytes),
            writer=AnswerWriter(signature, model=self._name),
            metadata=self._metadata(signature),
        )

    async def _warm_up(self, serving: _Serving) -> None:
        """One real inference through the same path as a client's; then the engine is measured on it."""
        body, head = (self._model.check, None) if self._model.check else _zeros(serving.signature)
        source = "the check request" if self._model.check else "a request of zeros"
        try:
            await self._compute(serving, body, head=head, receive=None)
            request, rest = v2.read_infer(body, head)
            await serving.runner.calibrate(serving.reader.read(request.inputs, rest))
        except CallError as error:
            raise StartError(
                f"{source} was not answered: {error.message}",
                hint=error.hint or "give the model a check: a real request that it can answer",
                place=f"model {self._name}",
            ) from error

    async def _infer(self, headers: Sequence[Header], receive: Receive) -> tuple[list[Header], bytes]:
        serving = self._serving
        if serving is None or not self._ready:
            raise loading(self._name)
        stated = head = None
        for name, value in headers:
            if name == b"content-length":
                stated = int(value)
            elif name == v2.BINARY_HEADER:
                head = v2.read_header_length(value)
            elif name == b"content-encoding" and value != b"identity":
                raise Unprocessable("compressed bodies are not taken", hint="send without content-encoding")
        waiting = serving.runner.queue
        if waiting.full or waiting.nbytes + self._reading + (stated or 0) > waiting.limits.queue_bytes:
            raise serving.runner.overloaded()
        held = stated or 0
        self._reading += held
        try:
            body = await read_body(receive, limit=self._model.max_body, stated=stated)
        finally:
            self._reading -= held
        return await self._compute(serving, body, head=head, receive=receive)

    async def _compute(
        self, serving: _Serving, body: bytes, *, head: int | None, receive: Receive | None
    ) -> tuple[list[Header], bytes]:
        request, rest = v2.read_infer(body, head)
        plan = serving.writer.plan(request)
        timeout = _timeout(request) if request.parameters else math.inf
        tensors = serving.reader.read(request.inputs, rest)
        deadline = self._clock.monotonic() + timeout if timeout < math.inf else timeout
        pending = serving.runner.submit(tensors, deadline=deadline)
        outcome = await _outcome(serving.runner, pending, receive)
        if isinstance(outcome, CallError):
            raise outcome
        return serving.writer.write(plan, outcome)

    async def _look_up(self, scope: Scope, send: Send) -> None:
        """Everything but inference: small answers, made at once."""
        try:
            await send_answer(send, 200, self._told(scope["method"], scope["path"]))
        except CallError as error:
            await _send_error(send, error)

    def _told(self, method: str, path: str) -> bytes:
        route = v2.read_path(path)
        if route is None:
            raise UnknownPath(f"{path[:200]} is no path of the V2 protocol", hint=f"try /v2/models/{self._name}")
        if route.model and route.model != self._name:
            raise UnknownEndpoint(f"model {route.model[:80]!r} is not here", hint=f"this worker serves {self._name!r}")
        if route.version and route.version != v2.VERSION:
            raise UnknownEndpoint(
                f"model {self._name!r} has no version {route.version[:20]!r}", hint=f"its version is {v2.VERSION!r}"
            )
        if method not in ("GET", "HEAD") or route.action == "infer":
            wanted = "POST" if route.action == "infer" else "GET"
            raise MethodNotAllowed(f"{method} is not answered at {path[:200]}", hint=f"use {wanted}")
        if route.action == "live":
            return b'{"live":true}'
        if route.action == "server":
            return msgspec.json.encode(
                {"name": "modelwright", "version": version("modelwright"), "extensions": v2.EXTENSIONS}
            )
        if self._serving is None or not self._ready:
            raise loading(self._name)
        if route.action == "metadata":
            return self._serving.metadata
        return msgspec.json.encode({"ready": True} | ({"name": self._name} if route.model else {}))

    def _metadata(self, signature: Signature) -> bytes:
        return msgspec.json.encode(
            {
                "name": self._name,
                "versions": [v2.VERSION],
                "platform": signature.platform,
                "inputs": signature.inputs,
                "outputs": signature.outputs,
                "parameters": {
                    "precision": signature.precision,
                    "digest": self._model.digest,
                    "engine": self._model.engine,
                    "max_rows": self._model.limits.max_rows,
                },
            }
        )


async def _outcome(runner: Runner, pending: Pending, receive: Receive | None) -> Outcome:
    """Wait for the engine; a client that leaves meanwhile gives its place up."""
    watcher = None
    if receive is not None and runner.threaded:
        watcher = asyncio.ensure_future(_give_up_when_gone(runner, pending, receive))
    try:
        return await pending.result
    except asyncio.CancelledError:
        runner.abandon(pending)
        raise
    finally:
        if watcher is not None:
            watcher.cancel()


async def _give_up_when_gone(runner: Runner, pending: Pending, receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    if not pending.result.done():
        runner.abandon(pending)
        pending.result.set_result(Stopped("the client left before its request was computed"))


def _timeout(request: v2.InferRequest) -> float:
    """Seconds that the request may wait; raises Malformed, and Unprocessable for what keeps state."""
    parameters = request.parameters or {}
    for name in _STATEFUL:
        if parameters.get(name):
            raise Unprocessable(
                f"parameter {name!r} asks for a stateful model, this one is not", hint="leave it out", param=name
            )
    value = parameters.get("timeout", 0)
    if type(value) is not int or value < 0:
        raise Malformed("parameter 'timeout' is no number of microseconds", hint="send a whole number", param="timeout")
    return value / 1e6 if value else math.inf


def _zeros(signature: Signature) -> tuple[bytes, int]:
    """A request of one row of zeros, in binary, and the length of its JSON part."""
    inputs: list[v2.RequestInput] = []
    tail: list[bytes] = []
    for spec in signature.inputs:
        shape = [max(1, size) for size in spec.shape]
        data = np.zeros(shape, np.int32 if spec.datatype == "BYTES" else DTYPES[spec.datatype]).tobytes()
        inputs.append(v2.RequestInput(spec.name, shape, spec.datatype, {"binary_data_size": len(data)}))
        tail.append(data)
    head = msgspec.json.encode({"inputs": [msgspec.structs.asdict(item) | {"data": None} for item in inputs]})
    return b"".join((head, *tail)), len(head)


async def _send_error(send: Send, error: CallError) -> None:
    headers = [JSON]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    await send_answer(send, status_of(error), v2.error_body(error), headers=headers)


def _batch_metrics(runner: Runner, model: str) -> Iterator[Metric]:
    counts = runner.counts
    yield counter("rows", "Rows computed.", model=model, value=counts.rows)
    yield counter("engine_runs", "Engine calls, those of split batches included.", model=model, value=counts.runs)
    yield counter("predict_seconds", "Seconds inside the engine.", model=model, value=counts.seconds)
    yield counter(
        "split_batches", "Batches split because one of their requests failed.", model=model, value=counts.split
    )
    yield counter("overloaded", "Requests refused because too much waits.", model=model, value=counts.overloaded)
    yield counter("abandoned", "Requests given up before they were computed.", model=model, value=counts.abandoned)
    yield gauge("queue_rows", "Rows that wait.", model=model, value=runner.queue.rows)
    yield gauge("queue_bytes", "Bytes of input that wait.", model=model, value=runner.queue.nbytes)
    edges: list[tuple[str, float]] = []
    total = 0
    for power, batches in enumerate(counts.by_rows):
        total += batches
        edges.append(("+Inf" if power == len(counts.by_rows) - 1 else str(1 << power), total))
    family = HistogramMetricFamily("modelwright_serving_batch_rows", "Rows of each batch.", labels=["model"])
    family.add_metric([model], edges, counts.rows)
    yield family
