"""What text models count: plain numbers while they work, metric families when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from modelwright.serving.metrics import counter, gauge

FIRST_TOKEN = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds, upper edges."""
PER_TOKEN = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Likewise."""


class Spread:
    """How often a time fell between two edges."""

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = edges
        self._counts = [0] * (len(edges) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self._counts[bisect_left(self._edges, seconds)] += 1
        self._sum += seconds

    def family(self, name: str, text: str, *, model: str) -> Metric:
        """As a histogram."""
        family = HistogramMetricFamily(f"modelwright_serving_{name}", text, labels=["model"])
        names = [*map(str, self._edges), "+Inf"]
        buckets = list(zip(names, map(float, accumulate(self._counts)), strict=True))
        family.add_metric([model], buckets, self._sum)
        return family


class TextCounts:
    """Added to on the event loop only."""

    def __init__(self) -> None:
        self.tokens_in = 0
        self.tokens_out = 0
        self.abandoned = 0
        """Requests whose client left before their end."""
        self.broken_streams = 0
        self._first_token = Spread(FIRST_TOKEN)
        self._per_token = Spread(PER_TOKEN)

    def began(self, seconds: float) -> None:
        """The first token of a request has come, so long after the request."""
        self._first_token.add(seconds)

    def ended(self, seconds: float, *, tokens: int) -> None:
        """A request took so long from its first token to its last, with so many in one of its answers."""
        if tokens > 1:
            self._per_token.add(seconds / (tokens - 1))

    def collect(self, model: str, *, tokens: tuple[float, float] | None) -> Iterator[Metric]:
        """Metric families of this model; `tokens` are those read and written, None when that is not known."""
        if tokens is not None:
            family = CounterMetricFamily(
                "modelwright_serving_tokens", "Tokens read and written by the engine.", labels=["model", "direction"]
            )
            family.add_metric([model, "input"], tokens[0])
            family.add_metric([model, "output"], tokens[1])
            yield family
        text = "From a request's arrival to its first token."
        yield self._first_token.family("first_token_seconds", text, model=model)
        text = "Between two tokens of an answer, its mean."
        yield self._per_token.family("token_seconds", text, model=model)
        yield counter("abandoned", "Requests whose client left before their end.", model=model, value=self.abandoned)


class Load(NamedTuple):
    """What is under way."""

    running: float
    waiting: float
    cache: float | None
    """Share of the key-value cache in use; None: not known."""
    refused: int


def load_families(load: Load, *, model: str) -> Iterator[Metric]:
    """What is under way, as metric families."""
    sequences = GaugeMetricFamily(
        "modelwright_serving_sequences", "Answers running or waiting for a place.", labels=["model", "state"]
    )
    sequences.add_metric([model, "running"], load.running)
    sequences.add_metric([model, "waiting"], load.waiting)
    yield sequences
    if load.cache is not None:
        text = "Share of the key-value cache that running answers hold."
        yield gauge("kv_usage_ratio", text, model=model, value=load.cache)
    yield counter("overloaded", "Requests refused because too much waits.", model=model, value=load.refused)
