"""The gRPC door's metrics: how its calls ended; what they cost and took is told by the gateway that answered them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from modelwright.observe.metrics import MetricRow

CALLS = MetricRow(
    "modelwright_grpc_calls_total",
    "counter",
    ("method", "code"),
    "Calls over gRPC, by the status of their end.",
)
ROWS = (CALLS,)


class GrpcMetrics(Collector):
    """One per process."""

    def __init__(self) -> None:
        self._ended: Counter[tuple[str, str]] = Counter()

    @property
    def calls(self) -> int:
        """All that have ended."""
        return self._ended.total()

    @property
    def errors(self) -> int:
        """Those of them that ended with another status than OK."""
        return sum(count for (_, code), count in self._ended.items() if code != "OK")

    def ended(self, method: str, code: str) -> None:
        """A call of a method of ours has ended with the status of this name."""
        self._ended[method, code] += 1

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """Every row of the table."""
        family = CounterMetricFamily(CALLS.name, CALLS.text, labels=CALLS.labels)
        for labels, count in self._ended.items():
            family.add_metric(labels, count)
        yield family
