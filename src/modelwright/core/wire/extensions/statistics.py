"""What V2's statistics extension tells of models, as values; sums are pure, and nobody is asked here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec


class Duration(msgspec.Struct, kw_only=True):
    """How often, and nanoseconds in all."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float, *, count: int = 1) -> None:
        """Once more, or several times at once."""
        self.count += count
        self.ns += round(seconds * 1e9)

    def join(self, other: Duration) -> None:
        """What another replica has counted."""
        self.count += other.count
        self.ns += other.ns


def _duration() -> Duration:
    return Duration()


class InferenceStatistics(msgspec.Struct, kw_only=True):
    """Of requests; all but `fail` are of those that were answered."""

    success: Duration = msgspec.field(default_factory=_duration)
    """From the last byte of the request to the first of its answer."""
    fail: Duration = msgspec.field(default_factory=_duration)
    queue: Duration = msgspec.field(default_factory=_duration)
    """Waiting for the engine."""
    compute_input: Duration = msgspec.field(default_factory=_duration)
    """Reading and checking."""
    compute_infer: Duration = msgspec.field(default_factory=_duration)
    """In the engine: each request of a batch counts the whole batch."""
    compute_output: Duration = msgspec.field(default_factory=_duration)
    """Writing the answer."""
    cache_hit: Duration = msgspec.field(default_factory=_duration)
    cache_miss: Duration = msgspec.field(default_factory=_duration)


class BatchStatistics(msgspec.Struct, kw_only=True):
    """Of engine calls with so many rows."""

    batch_size: int
    compute_input: Duration = msgspec.field(default_factory=_duration)
    """Joining requests by rows."""
    compute_infer: Duration = msgspec.field(default_factory=_duration)
    compute_output: Duration = msgspec.field(default_factory=_duration)
    """Cutting the answer apart."""


class ModelStatistics(msgspec.Struct, kw_only=True):
    """Of one version of a model, since its worker started."""

    name: str
    version: str
    last_inference: int = 0
    """Milliseconds since 1970; 0: none yet."""
    inference_count: int = 0
    """Rows computed."""
    execution_count: int = 0
    """Engine calls."""
    inference_stats: InferenceStatistics = msgspec.field(default_factory=InferenceStatistics)
    batch_stats: list[BatchStatistics] = []
    memory_usage: list[Mapping[str, object]] = []
    response_stats: dict[str, object] = {}


class Statistics(msgspec.Struct, kw_only=True):
    """The answer to a question for statistics."""

    model_stats: list[ModelStatistics]


def summed(found: Iterable[ModelStatistics]) -> list[ModelStatistics]:
    """One entry for each version of each model, over all replicas, in order of their names."""
    sums: dict[tuple[str, str], ModelStatistics] = {}
    for one in found:
        known = sums.setdefault((one.name, one.version), ModelStatistics(name=one.name, version=one.version))
        known.last_inference = max(known.last_inference, one.last_inference)
        known.inference_count += one.inference_count
        known.execution_count += one.execution_count
        for field in InferenceStatistics.__struct_fields__:
            getattr(known.inference_stats, field).join(getattr(one.inference_stats, field))
        known.batch_stats = _by_size([*known.batch_stats, *one.batch_stats])
    return [sums[key] for key in sorted(sums)]


def _by_size(found: Iterable[BatchStatistics]) -> list[BatchStatistics]:
    sums: dict[int, BatchStatistics] = {}
    for one in found:
        known = sums.setdefault(one.batch_size, BatchStatistics(batch_size=one.batch_size))
        known.compute_input.join(one.compute_input)
        known.compute_infer.join(one.compute_infer)
        known.compute_output.join(one.compute_output)
    return [sums[size] for size in sorted(sums)]
