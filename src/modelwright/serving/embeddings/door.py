"""The door of a pipeline that makes vectors of texts: `POST /v1/embeddings` beside all that V2 answers, as raw ASGI."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec
import numpy as np
from prometheus_client.core import Metric

from modelwright.core.errors.calls import CallError, MethodNotAllowed
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import Array, Signature, TensorSpec, Tokens
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
from modelwright.serving.embeddings.answer import write_answer
from modelwright.serving.embeddings.request import read_request
from modelwright.serving.http_v2 import V2Door, outcome_of
from modelwright.serving.metrics import counter
from modelwright.serving.pipelines.divided import TextRunner

PATH = "/v1/embeddings"
_BATCHES = 2
"""Of a large request, that wait at a time at least."""

_log = logging.getLogger(__name__)


class EmbeddingRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a request may ask for."""

    shorten: bool = False
    max_inputs: int = 2048
    max_body: int = 32 << 20


class _Vectors(msgspec.Struct, frozen=True):
    """What the model gives."""

    name: str
    size: int


class EmbeddingsDoor:
    """One pipeline behind two wires; the V2 door holds it."""

    def __init__(self, inner: V2Door, rules: EmbeddingRules, *, model: str) -> None:
        self._inner = inner
        self._rules = rules
        self._name = model
        self._vectors: _Vectors | None = None
        self._arriving = 0
        """Bytes of bodies that are being received; one of unknown length counts as the largest."""
        self._requests = Answering(model)
        self._texts = 0
        self._tokens = 0

    async def start(self) -> Loaded:
        """Load the pipeline and answer its check request; raises StartError."""
        took = await self._inner.start()
        self._vectors = await _vectors(self._inner.signature, self._inner.runner, place=f"model {self._name}")
        return took

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; every failure becomes the wire's envelope."""
        if scope["path"] != PATH:
            await self._inner.answer(scope, receive, send)
            return
        await self._requests.one(self._embed(scope, receive, send), send, path=PATH)

    async def stop(self) -> None:
        """Finish what waits, then give thread and memory back."""
        await self._inner.stop()

    def busy(self) -> Busy:
        """The numbers of now, of both wires."""
        inner = self._inner.busy()
        return msgspec.structs.replace(
            inner,
            in_flight=inner.in_flight + self._requests.in_flight,
            calls=inner.calls + self._requests.calls,
            errors=inner.errors + self._requests.errors,
        )

    def collect(self) -> Iterator[Metric]:
        """What `/metrics` tells, of both wires."""
        for family in self._inner.collect():
            for sample in family.samples if family.name.startswith("modelwright_serving_request") else ():
                own = self._requests.errors if family.name.endswith("errors") else self._requests.calls
                family.samples = [sample._replace(value=sample.value + own)]
            yield family
        yield counter("embedded_texts", "Texts that vectors were made of.", model=self._name, value=self._texts)
        yield counter("embedded_tokens", "Tokens of these texts.", model=self._name, value=self._tokens)

    async def _embed(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send_answer(send, 200, await self._answer(scope, receive))

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"{scope['method']} is not answered at {PATH}", hint="use POST")
        vectors, rules = self._vectors, self._rules
        runner = self._inner.runner
        if vectors is None or not isinstance(runner, TextRunner):
            raise loading(self._name)
        body = await self._body(scope, receive, runner)
        wanted = read_request(body, size=vectors.size, shortens=rules.shorten, most=rules.max_inputs)
        del body
        tokens = await runner.read(wanted.texts) if wanted.texts else runner.front.checked(wanted.tokens)
        count = sum(len(one.ids) for one in tokens)
        found, seconds = await self._computed(runner, tokens, receive)
        answer = write_answer(found, wanted, model=self._name, tokens=count, seconds=seconds)
        self._texts += wanted.count
        self._tokens += count
        return answer

    async def _computed(self, runner: TextRunner, tokens: list[Tokens], receive: Receive) -> tuple[Array, float]:
        """The vectors in the order of the texts, and the engine's time; raises CallError.

        Of many texts only some wait at a time, so that one request does not fill the queue; those of about the same
        length go together.
        """
        vectors, limits = self._vectors, runner.queue.limits
        if vectors is None:
            raise loading(self._name)
        step = min(max(_BATCHES * limits.max_rows, limits.queue_rows // 4), limits.queue_rows)
        order = list(range(len(tokens)))
        if len(tokens) > step:
            order.sort(key=lambda row: len(tokens[row].ids))
        found, seconds = np.empty((len(tokens), vectors.size), np.float32), 0.0
        for start in range(0, len(tokens), step):
            rows = order[start : start + step]
            pending = runner.submit_tokens([tokens[row] for row in rows])
            outcome = await outcome_of(runner, pending, receive)
            if isinstance(outcome, CallError):
                raise outcome
            found[rows] = outcome[vectors.name]
            seconds += pending.seconds
        return found, seconds

    async def _body(self, scope: Scope, receive: Receive, runner: TextRunner) -> bytes:
        """The whole body; raises Overloaded when the bodies that arrive hold too much already."""
        headers, limit, queue = scope["headers"], self._rules.max_body, runner.queue
        stated, coding = content_length(headers), coding_of(headers)
        held = limit if stated is None or coding else min(stated, limit)
        if queue.full or queue.nbytes + self._arriving + held > queue.limits.queue_bytes:
            raise runner.overloaded()
        self._arriving += held
        try:
            return await unpacked(await read_body(receive, limit=limit, stated=stated), coding, limit=limit)
        finally:
            self._arriving -= held


async def _vectors(signature: Signature, runner: object, *, place: str) -> _Vectors:
    """The output that holds the vectors; raises StartError when there is not exactly one, or texts are not enough."""
    if not isinstance(runner, TextRunner) or len(signature.inputs) != 1:
        needed = ", ".join(spec.name for spec in signature.inputs)
        raise StartError(
            f"/v1/embeddings brings texts only, and the pipeline takes {needed}",
            hint="let every step take what a step before it gives",
            place=place,
        )
    found = [spec for spec in signature.outputs if _is_vector(spec)]
    if len(found) != 1:
        told = ", ".join(f"{spec.name} {spec.datatype} {list(spec.shape)}" for spec in signature.outputs)
        raise StartError(
            f"vectors are FP32 [rows, size], and the pipeline gives {told}",
            hint="end it with `pool` or `normalize`, or choose one tensor under `outputs`",
            place=place,
        )
    name = found[0].name
    outcome = await runner.submit_tokens(await runner.read(["a"])).result
    if isinstance(outcome, CallError):
        raise StartError(f"a text was not answered: {outcome.message}", hint=outcome.hint, place=place)
    return _Vectors(name, outcome[name].shape[1])


def _is_vector(spec: TensorSpec) -> bool:
    return spec.datatype == "FP32" and len(spec.shape) == 2
