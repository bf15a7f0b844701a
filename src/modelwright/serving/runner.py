"""The device around a tensor engine: runs what waits as soon as the engine is free; batches are formed in batching.py.

A batch that takes long runs on a thread of its own, so that the event loop stays free; a short one runs on the loop,
where a hop to a thread would cost more than the work.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import numpy as np

from modelwright.core.contracts.events import BatchFailed
from modelwright.core.errors.calls import Overloaded
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.engines import Predictor
from modelwright.serving.batching import UNBOUNDED, BatchQueue, Limits, Slice, Ticket
from modelwright.serving.execution import Arrays, Executed, Execution, Outcome, Part, Tensors
from modelwright.serving.levels import LevelQueue, Levels
from modelwright.serving.metrics import BatchCounts

INLINE_SECONDS = 0.0005
"""A batch that is expected to take longer goes to the thread; the hop there and back costs 50 to 100 µs."""
_NEWEST = 0.2
"""Weight of the newest measurement in a running mean."""
_AHEAD = 2
"""Batches that the thread may have: with a full one waiting beside it, the engine never waits for the event loop."""
_SAME = 0.05
"""The share by which a row may cost more in a smaller batch, and be said to cost the same."""
_HOP = 0.0001
"""Seconds that a batch costs beside the engine, on the thread, and"""
_TURN = 0.00003
"""on the loop."""
_JOINED = 5e9
"""Bytes that are joined to batches in a second, pages of fresh memory and all."""
_RISING = 1.02
"""How fast the least that was measured is forgotten."""
_KEPT = 0.98
"""What is left of an old measurement's weight after each new one."""
_TELLING = 0.02
"""How much the sizes of batches have to differ: their variance by the square of their mean."""
_TRIALS = 3
_LONG = 0.02
"""Seconds of one trial after which no further one is made."""


class Pending(Ticket):
    """One request on its way through the engine."""

    __slots__ = ("inputs", "pieces", "result")

    def __init__(self, tensors: Tensors, *, result: asyncio.Future[Outcome], deadline: float, level: int = 0) -> None:
        super().__init__(rows=tensors.rows, nbytes=tensors.nbytes, key=tensors.key, deadline=deadline, level=level)
        self.inputs = tensors.arrays
        self.result = result
        """Its outputs, or why there are none."""
        self.pieces: list[Arrays] = []
        """Outputs of the rows done so far."""


class Runner:
    """Owns the engine between load and close; every verb is called on the event loop."""

    def __init__(
        self,
        engine: Predictor,
        limits: Limits,
        *,
        model: str,
        clock: Clock,
        tell: Callable[[BatchFailed], None],
        inline: bool = True,
        levels: Levels | None = None,
    ) -> None:
        """`inline`: whether short batches may run on the loop; `levels`: there are requests that go before others."""
        self._inline_seconds = INLINE_SECONDS if inline else -1.0
        self.counts = BatchCounts(limits.max_rows)
        self.queue: BatchQueue[Pending] = BatchQueue(limits) if levels is None else LevelQueue(limits, levels)
        self.levels = levels
        self.pace = Pace()
        self._engine = engine
        self._execution = Execution(engine, clock)
        self._model = model
        self._clock = clock
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._running = 0
        """Batches that the thread has: the one in the engine, and the next when it was full."""
        self._scheduled = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.threaded = True
        """The last batch went to the thread: while such a one runs, a client may leave before its turn comes."""

    async def calibrate(self, tensors: Tensors) -> None:
        """Measure the warm engine on a request that it has answered, and find out whether its rows are requests."""
        loop = self._loop
        result: asyncio.Future[Outcome] = loop.create_future()
        pending = Pending(tensors, result=result, deadline=math.inf)
        part = Part(pending, tensors.arrays, rows=tensors.rows, nbytes=tensors.nbytes, whole=True)
        self.pace = Pace()
        for _ in range(_TRIALS):
            executed = await loop.run_in_executor(self._thread, self._execution.run, [part])
            self.pace.learn(tensors.nbytes, rows=tensors.rows, seconds=executed.seconds)
            if executed.seconds > _LONG:
                break
        if self.queue.limits.joins:
            executed = await loop.run_in_executor(self._thread, self._execution.run, [part, part])
            if executed.problem:
                self.queue.limits = msgspec.structs.replace(self.queue.limits, joins=False)
        self.threaded = self.pace.expected(tensors.nbytes) > self._inline_seconds

    def submit(self, tensors: Tensors, *, deadline: float = math.inf, priority: int = 0) -> Pending:
        """Let a request wait for the engine; raises Overloaded. `deadline` is on the clock's monotonic scale."""
        level = self.level_of(priority)
        if not self.queue.fits(rows=tensors.rows, nbytes=tensors.nbytes, level=level):
            raise self.overloaded()
        pending = Pending(tensors, result=self._loop.create_future(), deadline=deadline, level=level)
        self.queue.add(pending)
        self._idle.clear()
        if self.queue.ripe(self.pace.enough):
            self._advance()
        elif not self._running:
            self._advance_soon()
        return pending

    def level_of(self, priority: int) -> int:
        """The level at which a request of this priority waits; 0 where there are none."""
        return 0 if self.levels is None else self.levels.of(priority)

    def abandon(self, pending: Pending) -> None:
        """Nobody waits for it any more: what is not in the engine by now is never computed."""
        self.counts.abandoned += pending.waiting
        pending.over = True
        self.queue.leave(pending)

    def overloaded(self) -> Overloaded:
        """The error for one request more than may wait; `retry_after` is how long the waiting rows will take."""
        self.counts.overloaded += 1
        return Overloaded(
            f"model {self._model!r} cannot let more requests wait: {self.queue.rows} rows do",
            hint="send it again later",
            retry_after=self.pace.seconds_for(self.queue.rows),
        )

    async def stop(self) -> None:
        """Finish what waits, then close the engine."""
        await self._idle.wait()
        self._thread.shutdown()
        self._engine.close()

    def _advance_soon(self) -> None:
        """Let the event loop read what has arrived before the next batch is formed."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._advance)

    def _advance(self) -> None:
        """Run the next batch, here or on the thread; it is called again until nothing waits."""
        self._scheduled = False
        if self._running == _AHEAD or (self._running and not self.queue.ripe(self.pace.enough)):
            return
        batch = self.queue.next_batch(self._most())
        if not batch:
            self._idle.set()
            return
        parts = [_part(piece) for piece in batch]
        self.threaded = self.pace.expected(sum(part.nbytes for part in parts)) > self._inline_seconds
        if self.threaded or self._running:
            self._running += 1
            done = self._thread.submit(self._execution.run, parts)
            done.add_done_callback(lambda future: self._loop.call_soon_threadsafe(self._returned, batch, future))
            self._advance()
            return
        self._settle(batch, self._execution.run(parts))
        if self.queue.rows:
            self._advance_soon()
        else:
            self._idle.set()

    def _most(self) -> int:
        """Rows of the next batch; one request alone where joining would cost more than it saves.

        When all that wait would be one batch, the engine would wait for its answers to bring new requests. So it gets
        one half, and the other while that runs, where rows cost no more in smaller batches: nobody waits longer.
        """
        limit = self.queue.limits.max_rows
        if self._heavy():
            return 1
        half = (self.queue.rows + 1) // 2
        if self._running or not self.threaded or self.queue.rows > limit or half < self.pace.enough:
            return limit
        return half

    def _heavy(self) -> bool:
        """Whether joining what waits would move each row for longer than the row takes alone."""
        each = self.queue.nbytes // max(1, self.queue.rows)
        if each < _JOINED * _TURN:
            return False
        return each > _JOINED * (self.pace.alone(each) + (_HOP if self.threaded else _TURN))

    def _returned(self, batch: list[Slice[Pending]], future: Future[Executed]) -> None:
        self._running -= 1
        self._settle(batch, future.result())
        self._advance()

    def _settle(self, batch: list[Slice[Pending]], executed: Executed) -> None:
        """Hand every request what became of it."""
        self.counts.ran(executed)
        if executed.uneven:
            self.queue.limits = msgspec.structs.replace(self.queue.limits, joins=False)
        if executed.problem and executed.runs > 1:
            event = BatchFailed(at=self._clock.now(), model=self._model, rows=executed.rows, error=executed.problem)
            self._tell(event)
        elif executed.rows and not executed.problem:
            self.pace.learn(executed.nbytes, rows=executed.rows, seconds=executed.seconds)
        for piece, outcome in zip(batch, executed.outcomes, strict=True):
            if isinstance(outcome, dict):
                self._collect(piece, outcome)
            else:
                self._fail(piece.ticket, outcome)

    def _collect(self, piece: Slice[Pending], outputs: Arrays) -> None:
        pending = piece.ticket
        if pending.result.done():
            return
        if piece.whole:
            pending.result.set_result(outputs)
            return
        pending.pieces.append(outputs)
        if piece.stop == pending.rows:
            names = pending.pieces[0]
            joined = {name: np.concatenate([outputs[name] for outputs in pending.pieces]) for name in names}
            pending.result.set_result(joined)

    def _fail(self, pending: Pending, outcome: Outcome) -> None:
        self.queue.leave(pending)
        if not pending.result.done():
            pending.result.set_result(outcome)


class Pace:
    """How long batches of a size take, as running means; it decides nothing."""

    def __init__(self) -> None:
        self.enough = UNBOUNDED
        """Rows of a batch of which each costs about as little as in a larger one."""
        self._by_size: dict[int, float] = {}
        self._alone: dict[int, float] = {}
        self._per_row = 0.0
        self._line = Line()

    def expected(self, size: int) -> float:
        """Seconds for a batch of this many bytes, guessed from other sizes if it has to be; infinite at first."""
        bucket = size.bit_length()
        known = self._by_size.get(bucket)
        if known is not None:
            return known
        smaller = max((other for other in self._by_size if other < bucket), default=None)
        if smaller is not None:
            return self._by_size[smaller] * (1 << (bucket - smaller))
        return self._by_size[min(self._by_size)] if self._by_size else math.inf

    def alone(self, size: int) -> float:
        """Seconds for one row of this many bytes, when nothing disturbs the engine; infinite until it is known."""
        return self._alone.get(size.bit_length(), math.inf)

    def learn(self, size: int, *, rows: int, seconds: float) -> None:
        """One engine call has been measured."""
        bucket = size.bit_length()
        before = self._by_size.get(bucket, seconds)
        self._by_size[bucket] = before + _NEWEST * (seconds - before)
        if rows == 1:
            self._alone[bucket] = min(seconds, _RISING * self._alone.get(bucket, math.inf))
        self._per_row += (_NEWEST if self._per_row else 1.0) * (seconds / rows - self._per_row)
        fixed, more = self._line.after(rows, seconds)
        self.enough = math.ceil((max(0.0, fixed) + _HOP) / (_SAME * more)) if more > 0 else UNBOUNDED

    def seconds_for(self, rows: int) -> float:
        """What these rows will take."""
        return rows * self._per_row


class Line:
    """The straight line through what was measured lately: seconds of a batch of no rows, and of each row more."""

    def __init__(self) -> None:
        self._fixed = self._slope = 0.0
        self._count = self._x = self._y = self._xx = self._xy = 0.0

    def after(self, rows: int, seconds: float) -> tuple[float, float]:
        """One batch has been measured: the line with it, as long as the batches differ in size enough to tell."""
        self._count = _KEPT * self._count + 1.0
        self._x = _KEPT * self._x + rows
        self._y = _KEPT * self._y + seconds
        self._xx = _KEPT * self._xx + rows * rows
        self._xy = _KEPT * self._xy + rows * seconds
        spread = self._count * self._xx - self._x * self._x
        if spread > _TELLING * self._x * self._x:
            self._slope = (self._count * self._xy - self._x * self._y) / spread
            self._fixed = (self._y - self._slope * self._x) / self._count
        return self._fixed, self._slope


def _part(piece: Slice[Pending]) -> Part:
    pending, start, stop = piece
    rows = stop - start
    if piece.whole:
        return Part(pending, pending.inputs, rows=rows, nbytes=pending.nbytes, whole=True)
    inputs = {name: array[start:stop] for name, array in pending.inputs.items()}
    return Part(pending, inputs, rows=rows, nbytes=pending.nbytes * rows // pending.rows, whole=False)
