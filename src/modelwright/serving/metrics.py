"""What tensor models count: plain numbers while they work, metric families when somebody asks."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from modelwright.serving.execution import Executed


class BatchCounts:
    """What has been run so far; added to on the event loop only."""

    def __init__(self, max_rows: int) -> None:
        self.rows = 0
        """Rows computed."""
        self.runs = 0
        """Engine calls."""
        self.seconds = 0.0
        """Inside the engine."""
        self.split = 0
        """Batches of several requests that had to be split, since one of them failed."""
        self.overloaded = 0
        """Requests refused because too much waits."""
        self.abandoned = 0
        """Requests whose client left, or whose time ran out, before they were computed."""
        self.by_rows = [0] * ((max_rows - 1).bit_length() + 2)
        """Batches of at most 1, 2, 4, … rows, and of more than that."""
        self.by_size: dict[int, list[float]] = {}
        """By rows: batches, and the seconds of joining them, inside the engine, and of cutting their answers apart."""

    def ran(self, executed: Executed) -> None:
        """A batch is done."""
        self.abandoned += executed.skipped
        if not executed.runs:
            return
        rows = executed.rows
        self.rows += rows
        self.runs += executed.runs
        self.seconds += executed.seconds
        self.split += executed.runs > 1
        self.by_rows[min((rows - 1).bit_length(), len(self.by_rows) - 1)] += 1
        known = self.by_size.get(rows)
        if known is None:
            known = self.by_size[rows] = [0, 0.0, 0.0, 0.0]
        known[0] += 1
        known[1] += executed.joining
        known[2] += executed.seconds
        known[3] += executed.cutting

    def collect(self, model: str) -> Iterator[Metric]:
        """Metric families of this model."""
        yield counter("rows", "Rows computed.", model=model, value=self.rows)
        yield counter("engine_runs", "Engine calls, those of split batches included.", model=model, value=self.runs)
        yield counter("predict_seconds", "Seconds inside the engine.", model=model, value=self.seconds)
        yield counter(
            "split_batches", "Batches split because one of their requests failed.", model=model, value=self.split
        )
        yield counter("overloaded", "Requests refused because too much waits.", model=model, value=self.overloaded)
        yield counter("abandoned", "Requests given up before they were computed.", model=model, value=self.abandoned)
        yield self._histogram(model)

    def _histogram(self, model: str) -> Metric:
        edges: list[tuple[str, float]] = []
        total = 0
        for power, batches in enumerate(self.by_rows):
            total += batches
            edges.append(("+Inf" if power == len(self.by_rows) - 1 else str(1 << power), total))
        family = HistogramMetricFamily("modelwright_serving_batch_rows", "Rows of each batch.", labels=["model"])
        family.add_metric([model], edges, self.rows)
        return family


def counter(name: str, text: str, *, model: str, value: float) -> Metric:
    """A number that only goes up."""
    family = CounterMetricFamily(f"modelwright_serving_{name}", text, labels=["model"])
    family.add_metric([model], value)
    return family


def gauge(name: str, text: str, *, model: str, value: float) -> Metric:
    """A number of now."""
    family = GaugeMetricFamily(f"modelwright_serving_{name}", text, labels=["model"])
    family.add_metric([model], value)
    return family
