"""Runs a pipeline that begins with texts: each request is tokenised alone, its rows share batches with rows like them.

A request whose texts differ in length becomes several in the queue, and one answer again.
"""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from modelwright.core.contracts.events import BatchFailed
from modelwright.core.errors.calls import CallError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.engines import Array, Signature, TensorEngine, Tokens
from modelwright.serving.batching import Limits
from modelwright.serving.execution import Arrays, Outcome, Tensors, too_late
from modelwright.serving.levels import Levels
from modelwright.serving.pipelines.graph import REQUEST
from modelwright.serving.pipelines.pipeline import Pipeline
from modelwright.serving.pipelines.tokens import Tokenize
from modelwright.serving.runner import Pending, Runner

INLINE_BYTES = 4096
"""Texts up to here are tokenised on the event loop, in less time than a hop to a thread and back takes."""

TURN = 64 << 10
"""Characters of one request that are tokenised at a time."""


class Share(NamedTuple):
    """Rows of one request that go together."""

    rows: list[int]
    tensors: Tensors


class Divided(Pending):
    """A request of several shares."""

    __slots__ = ("parts", "priority")

    def __init__(self, tensors: Tensors, *, result: asyncio.Future[Outcome], deadline: float, priority: int) -> None:
        super().__init__(tensors, result=result, deadline=deadline)
        self.priority = priority
        self.parts: list[tuple[Share, Pending]] = []


class TextRunner(Runner):
    """A runner whose requests bring texts, or tokens that a client has made itself."""

    def __init__(
        self,
        pipeline: Pipeline,
        limits: Limits,
        *,
        model: str,
        clock: Clock,
        tell: Callable[[BatchFailed], None],
        inline: bool = True,
        levels: Levels | None = None,
    ) -> None:
        front = pipeline.front
        if front is None:
            raise ValueError("a pipeline that begins with texts is needed")
        self._rest = pipeline.after_front
        super().__init__(self._rest, limits, model=model, clock=clock, tell=tell, inline=inline, levels=levels)
        self.front: Tokenize = front
        self._divides = True
        """Outputs of long and short rows have the same shapes, so that they fit into one answer."""
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="tokens")
        self._preparing = 0
        """Rows that are being tokenised."""

    async def calibrate(self, tensors: Tensors) -> None:
        """Measure the steps after the front, and find out whether what they give depends on a row's length."""
        tokens = self.front.encode(tensors.arrays[self._rest.text])
        others = _without(tensors.arrays, self._rest.text)
        await super().calibrate(self._shares(tokens, others)[0].tensors)
        self._divides = not await self._depends_on_length(tokens, others)

    def submit(self, tensors: Tensors, *, deadline: float = math.inf, priority: int = 0) -> Pending:
        """Let a request wait for the tokenizer, when its texts are long, and for the engine; raises CallError."""
        texts = tensors.arrays[self._rest.text]
        others = _without(tensors.arrays, self._rest.text)
        if sum(map(len, texts.ravel().tolist())) <= INLINE_BYTES:
            return self._submitted(self.front.encode(texts), others, deadline=deadline, priority=priority)
        # The bound of all levels; that of its own is looked at when it comes to the queue.
        if not self.queue.fits(rows=tensors.rows + self._preparing, nbytes=tensors.nbytes):
            raise self.overloaded()
        whole = Divided(tensors, result=self._loop.create_future(), deadline=deadline, priority=priority)
        self._preparing += tensors.rows
        encoded = self._reading.submit(self._encoded, whole, texts)
        encoded.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._prepared, whole, others, done))
        return whole

    async def read(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of texts, for `submit_tokens`; raises CallError."""
        if sum(map(len, texts)) <= INLINE_BYTES:
            return self.front.read(texts)
        self.front.check(texts)
        rows = len(texts)
        if self.queue.full or (self._preparing and self._preparing + rows > self.queue.limits.queue_rows):
            raise self.overloaded()
        self._preparing += rows
        try:
            found: list[Tokens] = []
            for turn in _turns(texts):
                found += await self._loop.run_in_executor(self._reading, self.front.read, turn)
            return found
        finally:
            self._preparing -= rows

    def submit_tokens(self, tokens: list[Tokens], *, deadline: float = math.inf) -> Pending:
        """Let rows of tokens wait for the engine; the pipeline takes nothing but text. Raises CallError."""
        return self._submitted(tokens, {}, deadline=deadline, priority=0)

    def abandon(self, pending: Pending) -> None:
        if isinstance(pending, Divided):
            pending.over = True
            for _, part in pending.parts:
                super().abandon(part)
            return
        super().abandon(pending)

    async def stop(self) -> None:
        self._reading.shutdown()
        await super().stop()

    def _encoded(self, whole: Divided, texts: Array) -> list[Tokens]:
        """On the tokens' thread; what nobody waits for any more is not read."""
        return self.front.encode(texts) if whole.wanted(self._clock.monotonic()) else []

    def _prepared(self, whole: Divided, others: Arrays, done: Future[list[Tokens]]) -> None:
        self._preparing -= whole.rows
        if whole.result.done():
            return
        try:
            tokens = done.result()
            if not whole.wanted(self._clock.monotonic()):
                whole.over = True
                raise too_late()
            self._place(whole, self._shares(tokens, others))
        except CallError as error:
            whole.result.set_result(error.with_traceback(None))

    def _submitted(self, tokens: list[Tokens], others: Arrays, *, deadline: float, priority: int) -> Pending:
        shares = self._shares(tokens, others)
        if len(shares) == 1:
            return Runner.submit(self, shares[0].tensors, deadline=deadline, priority=priority)
        whole = Divided(_sum(shares), result=self._loop.create_future(), deadline=deadline, priority=priority)
        self._place(whole, shares)
        return whole

    def _place(self, whole: Divided, shares: Sequence[Share]) -> None:
        """All shares or none go into the queue; raises Overloaded."""
        total = _sum(shares)
        level = self.level_of(whole.priority)
        if not self.queue.fits(rows=total.rows, nbytes=total.nbytes, level=level):
            raise self.overloaded()
        asked = functools.partial(Runner.submit, self, deadline=whole.deadline, priority=whole.priority)
        whole.parts = [(one, asked(one.tensors)) for one in shares]
        for _, part in whole.parts:
            part.result.add_done_callback(functools.partial(self._part_done, whole))

    def _part_done(self, whole: Divided, result: asyncio.Future[Outcome]) -> None:
        if whole.result.done() or result.cancelled():
            return
        outcome = result.result()
        failed = isinstance(outcome, CallError)
        if not failed and not all(part.result.done() for _, part in whole.parts):
            return
        whole.seconds = sum(part.seconds for _, part in whole.parts)
        whole.engine = sum(part.engine for _, part in whole.parts)
        whole.began = min((part.began for _, part in whole.parts if part.began), default=0.0)
        whole.result.set_result(outcome if failed else _rejoined(whole.parts, whole.rows))
        if failed:
            self.abandon(whole)

    def _shares(self, tokens: list[Tokens], others: Arrays) -> list[Share]:
        by_length: dict[int, list[int]] = {}
        for row, one in enumerate(tokens):
            by_length.setdefault(self.front.length(len(one.ids)), []).append(row)
        if len(by_length) > 1 and not self._divides:
            by_length = {max(by_length): list(range(len(tokens)))}
        return [self._share(rows, length, tokens=tokens, others=others) for length, rows in by_length.items()]

    def _share(self, rows: list[int], length: int, *, tokens: list[Tokens], others: Arrays) -> Share:
        made = self.front.filled([tokens[row] for row in rows], length)
        arrays = {self._rest.keys[name]: array for name, array in made.items()}
        arrays.update({f"{REQUEST}.{name}": array[rows] for name, array in others.items()})
        nbytes = sum(array.nbytes for array in arrays.values())
        key = (length, *(array.shape[1:] for array in others.values()))
        return Share(rows, Tensors(arrays=arrays, rows=len(rows), nbytes=nbytes, key=key))

    async def _depends_on_length(self, tokens: list[Tokens], others: Arrays) -> bool:
        """Whether a longer row gets an answer of another shape, by trying it."""
        length = self.front.length(len(tokens[0].ids))
        longer = self.front.length(min(length + 1, self.front.longest))
        shares = [self._share([0], tried, tokens=tokens, others=others) for tried in (length, longer)]
        shapes = [await self._loop.run_in_executor(self._thread, self._shapes, share.tensors) for share in shares]
        return shapes[0] != shapes[1]

    def _shapes(self, tensors: Tensors) -> dict[str, tuple[int, ...]]:
        return {name: array.shape for name, array in self._engine.predict(tensors.arrays).items()}


def runner_of(
    engine: TensorEngine,
    signature: Signature,
    *,
    limits: Limits,
    model: str,
    clock: Clock,
    tell: Callable[[BatchFailed], None],
    levels: Levels | None = None,
) -> Runner:
    """The runner that fits a loaded engine."""
    if isinstance(engine, Pipeline) and signature.batches and engine.front is not None:
        return TextRunner(engine, limits, model=model, clock=clock, tell=tell, inline=signature.inline, levels=levels)
    return Runner(engine, limits, model=model, clock=clock, tell=tell, inline=signature.inline, levels=levels)


def _turns(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """A large request by pieces, between which others have their turn."""
    start = size = 0
    for end, text in enumerate(texts):
        if size and size + len(text) > TURN:
            yield texts[start:end]
            start, size = end, 0
        size += len(text)
    yield texts[start:]


def _rejoined(parts: Sequence[tuple[Share, Pending]], rows: int) -> Arrays:
    """One array for each output, in the order of the request's rows."""
    joined: Arrays = {}
    for share, part in parts:
        outcome = part.result.result()
        if isinstance(outcome, CallError):
            raise outcome
        for name, array in outcome.items():
            if name not in joined:
                joined[name] = np.empty((rows, *array.shape[1:]), array.dtype)
            joined[name][share.rows] = array
    return joined


def _without(arrays: Mapping[str, Array], name: str) -> Arrays:
    return {other: array for other, array in arrays.items() if other != name}


def _sum(shares: Sequence[Share]) -> Tensors:
    rows = sum(share.tensors.rows for share in shares)
    return Tensors(arrays={}, rows=rows, nbytes=sum(share.tensors.nbytes for share in shares), key=())
