"""The door of a tensor model: V2 inference over REST, with the binary tensor extension, and plain JSON, as raw ASGI.

What is read, checked and written of a request is in serving/v2 and serving/plain; batches are the runner's business.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
from prometheus_client.core import Metric

from modelwright.core.contracts.events import Event, ModelTuned
from modelwright.core.errors.calls import CallError, Stopped
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.engines import EngineConfig, Signature, TensorEngine
from modelwright.core.status import Busy
from modelwright.core.wire import openai, v2
from modelwright.core.wire.bodies.packed import read_coding, unpacked
from modelwright.core.wire.status import status_of
from modelwright.serving.batching import Limits
from modelwright.serving.door import JSON, Header, Loaded, Receive, Scope, Send, loading, read_body, send_answer
from modelwright.serving.execution import Arrays, Outcome, Tensors
from modelwright.serving.levels import Levels
from modelwright.serving.metrics import BatchCounts, counter, gauge
from modelwright.serving.pipelines.divided import runner_of
from modelwright.serving.plain.describe import openapi
from modelwright.serving.plain.tensors import Decode, PlainTensors, no_images
from modelwright.serving.runner import Pending, Runner
from modelwright.serving.tuning import Memory, tuned
from modelwright.serving.v2.answers import AnswerWriter
from modelwright.serving.v2.arriving import read_binary
from modelwright.serving.v2.describe import Description
from modelwright.serving.v2.inputs import TensorsReader
from modelwright.serving.v2.raw import raw_request
from modelwright.serving.v2.statistics import RequestCounts
from modelwright.serving.v2.warm_up import zeros

_log = logging.getLogger(__name__)


class TensorModel(msgspec.Struct, frozen=True, kw_only=True):
    """What a V2 door serves."""

    config: EngineConfig
    engine: str
    """Kind of the engine, for metadata."""
    version: str = v2.VERSION
    digest: str = ""
    limits: Limits = Limits()
    levels: Levels | None = None
    """Requests that go before others; None: there are none."""
    tuning: Memory | None = None
    """The best threads and rows are found out when it is loaded; None: those of `config` and `limits` are taken."""
    max_body: int = 32 << 20
    check: bytes = b""
    """A real request that proves readiness; empty: zeros of the signature."""
    labels: tuple[str, ...] = ()
    """Names of classes, by index."""


class Framing(NamedTuple):
    """What the headers say of a body."""

    stated: int | None = None
    """Its bytes."""
    head: int | None = None
    """Bytes of its JSON part: None when it is all of it, 0 when there is none."""
    coding: bytes = b""
    """How it is compressed."""


class _Inference(msgspec.Struct, frozen=True):
    """What a request passes through once the model is loaded."""

    signature: Signature
    reader: TensorsReader
    runner: Runner
    writer: AnswerWriter
    plain: PlainTensors


class _Asked(msgspec.Struct, frozen=True):
    """One request, read and checked."""

    tensors: Tensors
    write: Callable[[Arrays], tuple[list[Header], bytes]]
    """Its answer, in the form that it wants."""
    patience: float = math.inf
    """Seconds that it may wait for the engine."""
    priority: int = 0


class V2Door:
    """One tensor model behind the V2 wire."""

    def __init__(
        self,
        model: TensorModel,
        engine: TensorEngine,
        *,
        clock: Clock,
        tell: Callable[[Event], None],
        decode: Decode = no_images,
    ) -> None:
        """`decode` makes pixels of image files, for inputs that are pictures."""
        self._model = model
        self._name = model.config.model
        self._engine = engine
        self._clock = clock
        self._tell = tell
        self._requests = RequestCounts()
        self._description = Description(
            self._name,
            version=model.version,
            engine=model.engine,
            digest=model.digest,
            max_rows=model.limits.max_rows,
            labels=bool(model.labels),
            statistics=self._statistics,
        )
        self._infer_paths = {
            f"/v2/models/{self._name}/infer",
            f"/v2/models/{self._name}/versions/{model.version}/infer",
        }
        self._plain_path = f"/predict/{self._name}"
        self._decode = decode
        self._inference: _Inference | None = None
        self._ready = False
        self._limit = min(model.max_body, model.limits.queue_bytes)
        self._arriving = 0
        """Bytes of bodies that are being received; one of unknown length counts as the largest."""
        self._in_flight = 0
        self._calls = 0
        self._errors = 0

    async def start(self) -> Loaded:
        """Load the model, answer the check request, measure; raises StartError with the reason."""
        begin = self._clock.monotonic()
        signature = await asyncio.to_thread(self._engine.load, self._model.config)
        loaded = self._clock.monotonic()
        self._inference = self._composed(signature)
        tensors = await self._warm_up(self._inference, signature)
        chosen = await self._tuned(self._inference, tensors)
        self._description.signature = signature
        self._ready = True
        return Loaded(
            load_ms=1000 * (loaded - begin), warmup_ms=1000 * (self._clock.monotonic() - loaded), tuned=chosen
        )

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; every failure becomes the wire's envelope."""
        is_plain = scope["path"] == self._plain_path
        if (not is_plain and scope["path"] not in self._infer_paths) or scope["method"] != "POST":
            await self._describe(scope, send)
            return
        self._calls += 1
        self._in_flight += 1
        came = self._clock.monotonic()
        try:
            headers, body = await self._infer(scope["headers"], receive, is_plain=is_plain)
            await send_answer(send, 200, body, headers=headers)
        except CallError as error:
            self._errors += 1
            self._requests.failed(self._clock.monotonic() - came)
            await _send_error(send, error, is_plain=is_plain)
            error.__traceback__ = None  # its frames hold the body, and themselves by way of this error
        except Exception:  # noqa: BLE001 - one request's defect is its own
            self._errors += 1
            self._requests.failed(self._clock.monotonic() - came)
            _log.exception("model %s: a request was not answered", self._name)
            error = CallError("an internal error", hint="see the worker's log")
            await _send_error(send, error, is_plain=is_plain)
        finally:
            self._in_flight -= 1

    @property
    def runner(self) -> Runner:
        """Of the loaded model; raises ModelUnavailable before that."""
        if self._inference is None or not self._ready:
            raise loading(self._name)
        return self._inference.runner

    @property
    def signature(self) -> Signature:
        """Of the loaded model; raises ModelUnavailable before that."""
        if self._description.signature is None:
            raise loading(self._name)
        return self._description.signature

    async def stop(self) -> None:
        """Finish what waits, then give thread and memory back."""
        self._ready = False
        if self._inference is not None:
            await self._inference.runner.stop()

    def busy(self) -> Busy:
        """The numbers of now."""
        queued = self._inference.runner.queue.rows if self._inference else 0
        return Busy(in_flight=self._in_flight, calls=self._calls, errors=self._errors, queued=queued)

    def collect(self) -> Iterator[Metric]:
        """What `/metrics` tells."""
        name = self._name
        yield counter("requests", "Inference requests.", model=name, value=self._calls)
        yield counter("request_errors", "Inference requests not answered 200.", model=name, value=self._errors)
        if self._inference is not None:
            runner = self._inference.runner
            yield gauge("queue_rows", "Rows that wait.", model=name, value=runner.queue.rows)
            yield gauge("queue_bytes", "Bytes of input that wait.", model=name, value=runner.queue.nbytes)
            yield from runner.counts.collect(name)

    def _composed(self, signature: Signature) -> _Inference:
        limits = self._model.limits
        if not signature.batches:
            limits = msgspec.structs.replace(limits, joins=False)
        reader = TensorsReader(signature, max_rows=limits.queue_rows, max_bytes=limits.queue_bytes)
        return _Inference(
            signature=signature,
            reader=reader,
            plain=PlainTensors(signature, reader, decode=self._decode),
            runner=runner_of(
                self._engine,
                signature,
                limits=limits,
                levels=self._model.levels,
                model=self._name,
                clock=self._clock,
                tell=self._tell,
            ),
            writer=AnswerWriter(
                signature,
                model=self._name,
                version=self._model.version,
                labels=self._model.labels,
                digest=self._model.digest,
            ),
        )

    async def _tuned(self, inference: _Inference, tensors: Tensors) -> str:
        """The best threads and rows, recalled or found by trying, are in force; what they are, for people."""
        memory, config = self._model.tuning, self._model.config
        if memory is None:
            return ""
        found = await tuned(self._engine, config, memory, runner=inference.runner, tensors=tensors, clock=self._clock)
        table = tuple(map(str, found.trials))
        self._tell(ModelTuned(at=self._clock.now(), model=self._name, chosen=str(found), trials=table))
        return str(found)

    async def _warm_up(self, inference: _Inference, signature: Signature) -> Tensors:
        """One real inference, from bytes to bytes as a client's; then the engine is measured on it."""
        body, head = (self._model.check, None) if self._model.check else zeros(signature)
        source = "its check request" if self._model.check else "a request of zeros"
        try:
            asked = _read(inference, body, head=head)
            _, arrays = await self._computed(inference, asked, receive=None)
            asked.write(arrays)
            await inference.runner.calibrate(asked.tensors)
            inference.runner.counts = BatchCounts(self._model.limits.max_rows)  # of requests of others
            return asked.tensors
        except CallError as error:
            raise StartError(
                f"{source} was not answered: {error.message}",
                hint=error.hint or "give the model a check: a request that it can answer",
                place=f"model {self._name}",
            ) from error

    async def _infer(
        self, headers: Sequence[Header], receive: Receive, *, is_plain: bool
    ) -> tuple[list[Header], bytes]:
        inference = self._inference
        if inference is None or not self._ready:
            raise loading(self._name)
        framing = _framing(headers)
        stated, limit, queue = framing.stated, self._limit, inference.runner.queue
        held = limit if stated is None or framing.coding else min(stated, limit)
        if queue.full or queue.nbytes + self._arriving + held > queue.limits.queue_bytes:
            raise inference.runner.overloaded()
        self._arriving += held
        try:
            asked, arrived = await self._asked(inference, receive, headers, framing=framing, is_plain=is_plain)
        finally:
            self._arriving -= held
        read = self._clock.monotonic()
        pending, arrays = await self._computed(inference, asked, receive=receive)
        computed = self._clock.monotonic()
        headers, body = asked.write(arrays)
        times = (arrived, read, computed, self._clock.monotonic())
        self._requests.answered(pending, now=self._clock.now(), times=times)
        return [*headers, (v2.MACHINE_HEADER, b"%d" % math.ceil(pending.seconds * 1e6))], body

    async def _asked(
        self, inference: _Inference, receive: Receive, headers: Sequence[Header], *, framing: Framing, is_plain: bool
    ) -> tuple[_Asked, float]:
        """A request, read and checked, and when it had arrived; its JSON is not kept while it waits."""
        stated, head, limit = framing.stated, framing.head, self._limit
        if head and not framing.coding and not is_plain:
            content = await read_binary(receive, limit=limit, stated=stated, head=head)
            arrived = self._clock.monotonic()
            return _read(inference, content, head=head), arrived
        body = await read_body(receive, limit=limit, stated=stated)
        if framing.coding:
            body = await unpacked(body, framing.coding, limit=limit)
        arrived = self._clock.monotonic()
        return _read_plain(inference, body, headers) if is_plain else _read(inference, body, head=head), arrived

    async def _computed(
        self, inference: _Inference, asked: _Asked, *, receive: Receive | None
    ) -> tuple[Pending, Arrays]:
        """A request that has been through the engine, and its outputs; raises CallError."""
        deadline = self._clock.monotonic() + asked.patience if asked.patience < math.inf else math.inf
        pending = inference.runner.submit(asked.tensors, deadline=deadline, priority=asked.priority)
        outcome = await outcome_of(inference.runner, pending, receive)
        if isinstance(outcome, CallError):
            raise outcome
        return pending, outcome

    def _statistics(self) -> bytes:
        counts = self._inference.runner.counts if self._inference is not None else None
        return self._requests.tell(self._name, counts, version=self._model.version)

    async def _describe(self, scope: Scope, send: Send) -> None:
        try:
            await send_answer(send, 200, self._told(scope["method"], scope["path"]))
        except CallError as error:
            await _send_error(send, error, is_plain=scope["path"].startswith(self._plain_path))

    def _told(self, method: str, path: str) -> bytes:
        if path == f"{self._plain_path}/openapi.json" and method in {"GET", "HEAD"}:
            if self._inference is None or not self._ready:
                raise loading(self._name)
            return openapi(self._name, self._inference.plain.described)
        return self._description.tell(method, path)


def _read(inference: _Inference, body: bytes | memoryview, *, head: int | None) -> _Asked:
    """What a request wants and brings; all checks are made here, before it waits. JSON bytes are not kept."""
    request, rest = v2.read_infer(body, head) if head != 0 else raw_request(inference.signature, body)
    plan = inference.writer.plan(request)
    tensors = inference.reader.read(request.inputs, rest)
    return _Asked(tensors, partial(inference.writer.write, plan), plan.patience, plan.priority)


def _read_plain(inference: _Inference, body: bytes, headers: Sequence[Header]) -> _Asked:
    single, tensors = inference.plain.read(body, headers)
    return _Asked(tensors, partial(inference.plain.write, single=single))


def _framing(headers: Sequence[Header]) -> Framing:
    """What the headers say of the body; raises CallError for what cannot be read."""
    stated, head, coding = None, None, b""
    for name, value in headers:
        if name == b"content-length":
            stated = int(value)
        elif name == v2.BINARY_HEADER:
            head = v2.read_header_length(value)
        elif name == b"content-encoding":
            coding = read_coding(value)
    return Framing(stated, head, coding)


async def outcome_of(runner: Runner, pending: Pending, receive: Receive | None) -> Outcome:
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


async def _send_error(send: Send, error: CallError, *, is_plain: bool = False) -> None:
    headers = [JSON]
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    body = openai.error_body(error) if is_plain else v2.error_body(error)
    await send_answer(send, status_of(error), body, headers=headers)
