"""With how many threads and rows a model is fastest here, by trying it: a few calls of each, when it is loaded.

Where that is kept from one start to the next is not its business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from modelwright.core.errors.calls import CallError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.engines import EngineConfig, TensorEngine
from modelwright.core.words.counting import count_of
from modelwright.serving.execution import Tensors
from modelwright.serving.runner import Runner

ROWS = (1, 8, 32)
ENOUGH = 0.95
"""Of the best rate: who has so much of it with smaller batches or fewer threads is taken."""
_SECONDS = 0.03
"""That one pair of threads and rows is tried for at least."""
_CALLS = 2
"""That it is tried at least; the quickest counts."""


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One pair of threads and rows."""

    threads: int
    rows: int
    seconds: float
    """Of its quickest call."""

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds if self.seconds > 0 else float("inf")

    def __str__(self) -> str:
        return f"{count_of(self.threads, 'thread')}, {count_of(self.rows, 'row')}: {self.rate:.0f} rows/s"


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out, and how."""

    threads: int
    rows: int
    trials: tuple[Trial, ...]

    def __str__(self) -> str:
        return f"tuned to {count_of(self.threads, 'thread')} and batches of {self.rows}"


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Where it is kept from one start to the next."""

    recall: Callable[[], Tuned | None]
    keep: Callable[[Tuned], None]


async def tuned(
    engine: TensorEngine, config: EngineConfig, memory: Memory, *, runner: Runner, tensors: Tensors, clock: Clock
) -> Tuned:
    """Recall the best, or find it out and have it kept; engine and runner go by it. `tensors`: as in `tune`."""
    limits, found = runner.queue.limits, memory.recall()
    if found is None:
        most = limits.max_rows if limits.joins else 1
        found = await asyncio.to_thread(tune, engine, config, tensors, most=most, clock=clock)
        memory.keep(found)
    elif found.threads != config.threads:
        await asyncio.to_thread(reload, engine, config, found.threads)
    if limits.joins:
        runner.queue.limits = msgspec.structs.replace(limits, max_rows=min(found.rows, limits.max_rows))
    await runner.calibrate(tensors)
    return found


def best_of(trials: Sequence[Trial]) -> Tuned:
    """The pair that is nearly the fastest, with the smallest batches and then the fewest threads."""
    fastest = max(trial.rate for trial in trials)
    chosen = min((one for one in trials if one.rate >= ENOUGH * fastest), key=lambda one: (one.rows, one.threads))
    return Tuned(threads=chosen.threads, rows=chosen.rows, trials=tuple(trials))


def tune(engine: TensorEngine, config: EngineConfig, tensors: Tensors, *, most: int, clock: Clock) -> Tuned:
    """Try a loaded engine; it belongs on a thread. It is loaded with the best number of threads afterwards.

    `config.threads` bounds these. `tensors` is a request that it has answered; `most` bounds the rows, 1 where its rows
    are no requests. Raises StartError.
    """
    counts = sorted({1, max(1, config.threads // 2), config.threads}, reverse=True)
    trials: list[Trial] = []
    loaded = config.threads
    for threads in counts:
        if threads != loaded:
            reload(engine, config, threads)
            loaded = threads
        trials.extend(_tried(engine, tensors, threads=threads, most=most, clock=clock))
    if not trials:
        return Tuned(threads=config.threads, rows=most, trials=())
    found = best_of(trials)
    if found.threads != loaded:
        reload(engine, config, found.threads)
    return found


def reload(engine: TensorEngine, config: EngineConfig, threads: int) -> None:
    """Load an engine again, with so many threads; raises StartError."""
    engine.close()
    engine.load(msgspec.structs.replace(config, threads=threads))


def _tried(engine: TensorEngine, tensors: Tensors, *, threads: int, most: int, clock: Clock) -> list[Trial]:
    trials: list[Trial] = []
    for rows in sorted({size for size in (*ROWS, most) if size <= max(most, 1)}):
        arrays = tensors.arrays
        if most > 1:
            arrays = {name: np.repeat(array[:1], rows, axis=0) for name, array in arrays.items()}
        try:
            engine.predict(arrays)
            seconds = _quickest(lambda given=arrays: engine.predict(given), clock)
        except CallError:
            break
        trials.append(Trial(threads=threads, rows=rows, seconds=seconds))
    return trials


def _quickest(call: Callable[[], object], clock: Clock) -> float:
    begun, calls, best = clock.monotonic(), 0, float("inf")
    while calls < _CALLS or (clock.monotonic() - begun < _SECONDS and calls < 1000):
        before = clock.monotonic()
        call()
        best = min(best, clock.monotonic() - before)
        calls += 1
    return best
