"""Counts what V2's statistics extension tells of one model; added to on the event loop only, and never reset."""

from __future__ import annotations

import msgspec

from modelwright.core.wire import v2
from modelwright.core.wire.extensions.statistics import (
    BatchStatistics,
    Duration,
    InferenceStatistics,
    ModelStatistics,
    Statistics,
)
from modelwright.serving.batching import Ticket
from modelwright.serving.metrics import BatchCounts


class RequestCounts:
    """Times of the requests of one model."""

    def __init__(self) -> None:
        self.last = 0.0
        """When the last one was answered, in Unix seconds."""
        self._answered = 0
        self._failed = Duration()
        # Seconds in all; plain numbers, since every request is counted.
        self._whole = self._reading = self._waiting = self._inside = self._writing = 0.0

    def answered(self, ticket: Ticket, *, now: float, times: tuple[float, float, float, float]) -> None:
        """A request got its answer; `times` are when it had arrived, was read, was computed and was written."""
        arrived, read, computed, written = times
        self.last = now
        self._answered += 1
        self._whole += written - arrived
        self._reading += read - arrived
        self._inside += ticket.engine
        self._writing += written - computed
        if ticket.began > read:
            self._waiting += ticket.began - read

    def failed(self, seconds: float) -> None:
        """A request got an error."""
        self._failed.add(seconds)

    def tell(self, model: str, counts: BatchCounts | None, *, version: str = v2.VERSION) -> bytes:
        """The answer to who asks for statistics."""
        told = ModelStatistics(
            name=model, version=version, last_inference=int(1000 * self.last), inference_stats=self._times()
        )
        if counts is not None:
            told.inference_count, told.execution_count = counts.rows, counts.runs
            told.batch_stats = [_batch(size, counts.by_size[size]) for size in sorted(counts.by_size)]
        return msgspec.json.encode(Statistics(model_stats=[told]))

    def _times(self) -> InferenceStatistics:
        return InferenceStatistics(
            success=self._all(self._whole),
            fail=self._failed,
            queue=self._all(self._waiting),
            compute_input=self._all(self._reading),
            compute_infer=self._all(self._inside),
            compute_output=self._all(self._writing),
        )

    def _all(self, seconds: float) -> Duration:
        """Of all requests that were answered."""
        return Duration(count=self._answered, ns=round(seconds * 1e9))


def _batch(size: int, counted: list[float]) -> BatchStatistics:
    number, joining, inside, cutting = counted
    told, batches = BatchStatistics(batch_size=size), int(number)
    told.compute_input.add(joining, count=batches)
    told.compute_infer.add(inside, count=batches)
    told.compute_output.add(cutting, count=batches)
    return told
