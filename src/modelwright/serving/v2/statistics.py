"""Counts what V2's statistics extension tells of one model; added to on the event loop only, and never reset."""

from __future__ import annotations

import msgspec

from modelwright.core.wire import v2
from modelwright.core.wire.extensions.statistics import (
    BatchStatistics,
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
        self._found = InferenceStatistics()

    def answered(self, ticket: Ticket, *, now: float, times: tuple[float, float, float, float]) -> None:
        """A request got its answer; `times` are when it had arrived, was read, was computed and was written."""
        arrived, read, computed, written = times
        self.last = now
        found = self._found
        found.success.add(written - arrived)
        found.compute_input.add(read - arrived)
        found.queue.add(max(0.0, ticket.began - read))
        found.compute_infer.add(ticket.engine)
        found.compute_output.add(written - computed)

    def failed(self, seconds: float) -> None:
        """A request got an error."""
        self._found.fail.add(seconds)

    def tell(self, model: str, counts: BatchCounts | None, *, version: str = v2.VERSION) -> bytes:
        """The answer to who asks for statistics."""
        told = ModelStatistics(
            name=model, version=version, last_inference=int(1000 * self.last), inference_stats=self._found
        )
        if counts is not None:
            told.inference_count, told.execution_count = counts.rows, counts.runs
            told.batch_stats = [_batch(size, counts.by_size[size]) for size in sorted(counts.by_size)]
        return msgspec.json.encode(Statistics(model_stats=[told]))


def _batch(size: int, counted: list[float]) -> BatchStatistics:
    number, joining, inside, cutting = counted
    told, batches = BatchStatistics(batch_size=size), int(number)
    told.compute_input.add(joining, count=batches)
    told.compute_infer.add(inside, count=batches)
    told.compute_output.add(cutting, count=batches)
    return told
