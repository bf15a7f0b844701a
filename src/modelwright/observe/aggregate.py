"""Sums the Prometheus texts of several workers into one; it asks nobody and forgets no count.

A counter of the sum never goes down, or whoever computes rates would see a burst: what a worker had counted stays in
the sum when it does not answer, and is added to what it counts after a restart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

CUMULATIVE = frozenset({"counter", "histogram", "summary"})
UP = "modelwright_worker_up"
UP_TEXT = "Whether a worker answers with its metrics (1) or not (0)."

Rule: TypeAlias = Literal["sum", "min", "max"]
_RULES: tuple[tuple[str, Rule], ...] = (
    ("_serial", "min"),
    ("_info", "max"),
    ("_time_seconds", "max"),
    ("_threshold", "max"),
    ("_ratio", "max"),
)
"""Gauges whose sum says nothing, by the end of their name: the oldest snapshot in force, the youngest start, the
fullest cache.
"""


class SeriesKey(NamedTuple):
    """One time series."""

    family: str
    name: str
    labels: tuple[tuple[str, str], ...]


class _Family(NamedTuple):
    kind: str
    text: str


class _Part:
    """What one worker has said."""

    def __init__(self) -> None:
        self.up = False
        self.counts: dict[SeriesKey, float] = {}
        self.before: dict[SeriesKey, float] = {}
        """Counts of its earlier lives."""
        self.gauges: dict[SeriesKey, float] = {}


class MetricSum:
    """The sum over all parts that were ever heard."""

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}
        self._parts: dict[str, _Part] = {}

    def hear(self, part: str, text: str | None) -> None:
        """Take in a part's metrics; None, and a text that cannot be read, mean that it does not answer."""
        heard = self._parts.setdefault(part, _Part())
        heard.gauges = {}
        try:
            families = list(text_string_to_metric_families(text)) if text is not None else None
        except ValueError:
            families = None
        heard.up = families is not None
        if families is None:
            return
        counts: dict[SeriesKey, float] = {}
        for family in families:
            kind = self._families.setdefault(family.name, _Family(family.type, family.documentation)).kind
            into = counts if kind in CUMULATIVE else heard.gauges
            into.update(_series(family))
        if any(counts.get(key, 0.0) < count for key, count in heard.counts.items()):  # it was started again
            _add(heard.before, heard.counts)
        heard.counts = counts

    def text(self) -> bytes:
        """The sum in Prometheus' text format, with one `modelwright_worker_up` per part."""
        return generate_latest(_Collected(self._collect()))

    def _collect(self) -> Iterator[Metric]:
        values = self._values()
        by_family: dict[str, list[Sample]] = {name: [] for name in self._families}
        for key, value in values.items():
            by_family[key.family].append(Sample(key.name, dict(key.labels), value))
        for name, family in sorted(self._families.items()):
            metric = Metric(name, family.text, family.kind)
            metric.samples = by_family[name]
            yield metric
        up = GaugeMetricFamily(UP, UP_TEXT, labels=["part"])
        for name, part in sorted(self._parts.items()):
            up.add_metric([name], float(part.up))
        yield up

    def _values(self) -> dict[SeriesKey, float]:
        values: dict[SeriesKey, float] = {}
        for part in self._parts.values():
            _add(values, part.before)
            _add(values, part.counts)
            for key, value in part.gauges.items():
                values[key] = _joined(key.name, values.get(key), value)
        return values


class _Collected(Collector):
    """Families that were computed already, for the library's writer."""

    def __init__(self, families: Iterator[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return self._families


def _series(family: Metric) -> dict[SeriesKey, float]:
    return {
        SeriesKey(family.name, sample.name, tuple(sorted(sample.labels.items()))): float(sample.value)
        for sample in family.samples
    }


def _add(into: dict[SeriesKey, float], counts: dict[SeriesKey, float]) -> None:
    for key, count in counts.items():
        into[key] = into.get(key, 0.0) + count


def _joined(name: str, so_far: float | None, value: float) -> float:
    if so_far is None:
        return value
    match next((rule for ending, rule in _RULES if name.endswith(ending)), "sum"):
        case "min":
            return min(so_far, value)
        case "max":
            return max(so_far, value)
        case _:
            return so_far + value
