"""What an engine's metrics say, in our words; it asks nobody."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from modelwright.core.ports.external.servers import MetricNames


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one look; None: not told."""

    running: float | None = None
    waiting: float | None = None
    cache: float | None = None
    tokens_in: float | None = None
    tokens_out: float | None = None


def told_by(text: str, names: MetricNames) -> Told:
    """Read a Prometheus text; what has several series is summed. Raises ValueError for a text that is none."""
    wanted = {field: name for field, name in msgspec.structs.asdict(names).items() if name}
    sums: dict[str, float] = {}
    for name, value in _samples(text):
        sums[name] = sums.get(name, 0.0) + value
    return Told(**{field: sums[name] for field, name in wanted.items() if name in sums})


def _samples(text: str) -> Iterable[tuple[str, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.value
