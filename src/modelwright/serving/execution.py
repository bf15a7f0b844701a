"""Runs one batch on a tensor engine: joins rows, predicts, cuts the answer apart, and finds the request that fails.

Plain functions on whatever thread the caller has; which requests form the batch, and when, is not decided here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec
import numpy as np

from modelwright.core.errors.calls import CallError, EngineFailed, Overloaded
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.engines import Array, Predictor
from modelwright.serving.batching import Ticket, halves

Arrays = dict[str, Array]
Outcome = Arrays | CallError


class Tensors(msgspec.Struct, frozen=True, kw_only=True):
    """The checked inputs of one request."""

    arrays: Arrays
    rows: int
    """Of the first dimension; 1 when the model does not batch."""
    nbytes: int
    key: Hashable
    """Requests of equal keys may be joined by rows."""


class Part(msgspec.Struct, frozen=True):
    """Some rows of one request, or all of it."""

    ticket: Ticket
    inputs: Arrays
    """These rows of every input."""
    rows: int
    nbytes: int
    whole: bool


class Executed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch."""

    outcomes: list[Outcome]
    """One for each part, in order."""
    rows: int
    """Computed; those that nobody wanted any more are not."""
    nbytes: int
    """Of their inputs."""
    skipped: int
    """Parts that nobody wanted any more."""
    seconds: float
    """Inside the engine, over all attempts."""
    joining: float = 0.0
    """Seconds for making one batch of requests, and"""
    cutting: float = 0.0
    """for giving each of them its rows back."""
    runs: int
    """Engine calls; more than one when the batch had to be split."""
    problem: str = ""
    """Why the batch as a whole failed."""
    uneven: bool = False
    """The engine gave another number of rows than it got: its rows do not belong to requests."""


class Execution:
    """An engine with a clock beside it; used by one thread at a time."""

    def __init__(self, engine: Predictor, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._seconds = self._joining = self._cutting = 0.0
        self._runs = 0
        self._uneven = False

    def run(self, parts: Sequence[Part]) -> Executed:
        """Run what is still wanted of a batch; a part's failure is its own outcome and nobody else's."""
        self._seconds = self._joining = self._cutting = 0.0
        self._runs, self._uneven = 0, False
        now = self._clock.monotonic()
        flags = [part.ticket.wanted(now) for part in parts]
        wanted = [part for part, flag in zip(parts, flags, strict=True) if flag]
        for part in wanted:
            part.ticket.began = part.ticket.began or now
        outcomes, problem = self._attempt(wanted) if wanted else ([], "")
        if len(wanted) < len(parts):
            found = iter(outcomes)
            outcomes = [next(found) if flag else too_late() for flag in flags]
        return Executed(
            outcomes=outcomes,
            rows=sum(part.rows for part in wanted),
            nbytes=sum(part.nbytes for part in wanted),
            skipped=len(parts) - len(wanted),
            seconds=self._seconds,
            joining=self._joining,
            cutting=self._cutting,
            runs=self._runs,
            problem=problem,
            uneven=self._uneven,
        )

    def _attempt(self, parts: Sequence[Part]) -> tuple[list[Outcome], str]:
        """Outcomes, and why the batch failed as a whole."""
        try:
            return [*self._predict(parts)], ""
        except CallError as error:
            return self._failed(parts, error), error.message

    def _failed(self, parts: Sequence[Part], error: CallError) -> list[Outcome]:
        """Try again in halves; a request that fails alone has failed, and none of its other rows need be computed."""
        if len(parts) > 1:
            return [outcome for half in halves(parts) for outcome in self._retry(half)]
        parts[0].ticket.over = True
        return [_bare(error)]

    def _retry(self, parts: Sequence[Part]) -> list[Outcome]:
        if all(part.ticket.over for part in parts):
            return [too_late() for _ in parts]
        try:
            return [*self._predict(parts)]
        except CallError as error:
            return self._failed(parts, error)

    def _predict(self, parts: Sequence[Part]) -> list[Arrays]:
        """Raises CallError that stands for all of `parts`; any other exception would lose their requests."""
        before, start = self._seconds, self._clock.monotonic()
        try:
            inputs = parts[0].inputs if len(parts) == 1 else _joined(parts)
            self._joining += self._clock.monotonic() - start
            outputs = self._timed(inputs)
            start = self._clock.monotonic()
            pieces = self._divided(outputs, parts)
            self._cutting += self._clock.monotonic() - start
            _share(self._seconds - before, parts)
            return pieces
        except CallError:
            raise
        except Exception as error:
            raise EngineFailed(f"the engine failed: {type(error).__name__}: {error}") from error

    def _timed(self, inputs: Arrays) -> Arrays:
        start = self._clock.monotonic()
        try:
            return self._engine.predict(inputs)
        finally:
            self._runs += 1
            self._seconds += self._clock.monotonic() - start

    def _divided(self, outputs: Arrays, parts: Sequence[Part]) -> list[Arrays]:
        if len(parts) == 1 and parts[0].whole:
            return [outputs]
        rows = sum(part.rows for part in parts)
        if any(output.shape[:1] != (rows,) for output in outputs.values()):
            self._uneven = True
            raise EngineFailed(
                f"the model does not give one row for each of the {rows} it got", hint="send the request again"
            )
        return _cut(outputs, parts)


def _share(seconds: float, parts: Sequence[Part]) -> None:
    """Note the engine's time in the requests; that of a run which failed is nobody's."""
    rows = sum(part.rows for part in parts) or 1
    for part in parts:
        part.ticket.seconds += seconds * part.rows / rows
        part.ticket.engine += seconds


def too_late() -> CallError:
    """The error of a request whose time has run out while it waited."""
    return Overloaded(
        "the request waited longer than its timeout", hint="send it again, or let it wait longer", retry_after=1.0
    )


def _bare(error: CallError) -> CallError:
    """Without the frames that it passed: they hold the arrays, and would be freed by the garbage collector only."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _joined(parts: Sequence[Part]) -> Arrays:
    """One array of all rows, for each input."""
    inputs = [part.inputs for part in parts]
    return {name: np.concatenate([arrays[name] for arrays in inputs]) for name in inputs[0]}


def _cut(outputs: Arrays, parts: Sequence[Part]) -> list[Arrays]:
    """Each part's rows of every output."""
    pieces: list[Arrays] = []
    start = 0
    for part in parts:
        stop = start + part.rows
        pieces.append({name: output[start:stop] for name, output in outputs.items()})
        start = stop
    return pieces
