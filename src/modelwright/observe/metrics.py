"""A gateway worker's metrics: plain numbers while it works, Prometheus families when somebody asks."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from modelwright.core.contracts.events import AttemptFailed, Event, KeptChecked, RequestFinished
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.prices import UNIT, read_money

OTHER = "_other"
"""Label of every endpoint name that nothing is served under: clients choose names, but not the number of series."""
_WIRES = {"infer": "v2", "messages": "anthropic", "predict": "plain"}
"""By operation; every other one is on the OpenAI wire."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
MOST_PROMPTS = 200
"""Prompts that a worker labels; versions come and go while it runs, and one more counts as OTHER."""
DIRECTIONS = ("input", "cached", "output", "reasoning")

Labels: TypeAlias = tuple[str, ...]
Reading: TypeAlias = Callable[[], float | Mapping[Labels, float]]
"""The present value; by labels where a row has some."""


class MetricRow(msgspec.Struct, frozen=True):
    """One metric: the table below is the whole list, and docs/reference/metrics.md is its twin."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: Labels
    text: str


HTTP = MetricRow("modelwright_http_requests_total", "counter", ("path", "status"), "HTTP requests answered.")
CALLS = MetricRow(
    "modelwright_calls_total",
    "counter",
    ("wire", "operation", "endpoint", "variant", "outcome", "status"),
    "Calls of known clients, by how they ended (the ledger's outcome).",
)
DURATION = MetricRow(
    "modelwright_call_duration_seconds",
    "histogram",
    ("wire", "operation", "endpoint", "variant"),
    "From the request's head to the last byte of its answer.",
)
FIRST_TOKEN = MetricRow(
    "modelwright_first_token_seconds",
    "histogram",
    ("operation", "endpoint", "variant"),
    "From the request's head to the first content of a stream.",
)
TOKENS = MetricRow(
    "modelwright_tokens_total",
    "counter",
    ("operation", "endpoint", "variant", "direction"),
    "Tokens as the providers report them: input, cached (part of input), output, reasoning (part of output).",
)
CHUNKS = MetricRow(
    "modelwright_stream_chunks_total", "counter", ("operation", "endpoint", "variant"), "Stream events passed on."
)
CACHE = MetricRow(
    "modelwright_cache_calls_total",
    "counter",
    ("operation", "endpoint", "variant", "result"),
    "Calls of endpoints that keep answers, by what the cache did (the ledger's `cache`).",
)
SAVED = MetricRow(
    "modelwright_cache_saved_tokens_total",
    "counter",
    ("operation", "endpoint", "variant"),
    "Tokens, input and output, that no provider had to count, since a kept answer was given.",
)
FAILED_ATTEMPTS = MetricRow(
    "modelwright_failed_attempts_total",
    "counter",
    ("operation", "endpoint", "variant", "outcome"),
    "Upstream requests that failed unseen: another one was made for the same call.",
)
UNPRICED = MetricRow(
    "modelwright_unpriced_calls_total",
    "counter",
    ("operation", "endpoint", "variant"),
    "Calls, and failed attempts, whose cost is not known: there is no price, or a count that it needs is missing.",
)
COST = MetricRow(
    "modelwright_cost_total",
    "counter",
    ("operation", "endpoint", "variant", "currency"),
    "What calls have cost, rounded to a float here; the ledger is exact.",
)
CHECKS = MetricRow(
    "modelwright_cache_checks_total",
    "counter",
    ("endpoint", "result"),
    "Answers of similar questions that were compared with fresh ones: agreed or wrong.",
)
THRESHOLD = MetricRow(
    "modelwright_cache_threshold",
    "gauge",
    ("endpoint",),
    "Least similarity of questions that get the same answer; it rises when too many were wrong, known since a check.",
)
GUARDS = MetricRow(
    "modelwright_guard_verdicts_total",
    "counter",
    ("operation", "endpoint", "variant", "guard", "action"),
    "Calls in which a guard found something, by what it was and what was done (the ledger's `guards`).",
)
PROMPTS = MetricRow(
    "modelwright_prompt_calls_total",
    "counter",
    ("endpoint", "variant", "prompt", "outcome"),
    "Calls that a prompt (name@version) was put before, by how they ended.",
)
READINGS: tuple[MetricRow, ...] = (
    MetricRow("modelwright_in_flight", "gauge", (), "Calls under way."),
    MetricRow("modelwright_turned_away_total", "counter", (), "Requests refused unread: the processor was too busy."),
    MetricRow("modelwright_upstream_connections", "gauge", (), "Open connections to providers and models."),
    MetricRow("modelwright_snapshot_serial", "gauge", (), "Serial of the snapshot in force; 0 before the first."),
    MetricRow("modelwright_cache_entries", "gauge", (), "Answers kept in the workers' memory."),
    MetricRow("modelwright_cache_bytes", "gauge", (), "Their size."),
    MetricRow("modelwright_cache_evicted_total", "counter", (), "Kept answers that went before their time: no room."),
    MetricRow("modelwright_cache_away", "gauge", (), "1 while Redis, which keeps answers, does not answer."),
    MetricRow("modelwright_limits_away", "gauge", (), "1 while Redis, which counts the limits, does not answer."),
    MetricRow("modelwright_breakers_open", "gauge", ("provider",), "Addresses of a provider that are left alone now."),
    MetricRow("modelwright_ledger_waiting", "gauge", (), "Outcomes that are not on disk yet."),
    MetricRow("modelwright_ledger_intent_failures_total", "counter", (), "Calls refused: no intent could be written."),
    MetricRow("modelwright_ledger_outcome_failures_total", "counter", (), "Outcomes that had to wait for the disk."),
    MetricRow("modelwright_ledger_lost_total", "counter", (), "Outcomes given up."),
    MetricRow("modelwright_shadows_skipped_total", "counter", (), "Shadows not asked: too many were under way."),
    MetricRow("modelwright_log_lines_dropped_total", "counter", (), "Log lines given up: their reader is too slow."),
)
BUILD = MetricRow("modelwright_build_info", "gauge", ("version",), "Always 1; the version is in the label.")
COUNTS = (
    CALLS,
    DURATION,
    FIRST_TOKEN,
    TOKENS,
    CHUNKS,
    CACHE,
    SAVED,
    CHECKS,
    THRESHOLD,
    FAILED_ATTEMPTS,
    COST,
    UNPRICED,
    GUARDS,
    PROMPTS,
)
TABLE: tuple[MetricRow, ...] = (HTTP, *COUNTS, *READINGS, BUILD)


class CallMetrics:
    """Hears events; a collector for a Prometheus registry."""

    def __init__(self, *, version: str, readings: Mapping[str, Reading]) -> None:
        """`readings` gives the present value of each row of READINGS, by name."""
        missing = {row.name for row in READINGS} ^ set(readings)
        if missing:
            raise ValueError(f"readings do not fit the table: {sorted(missing)}")
        self._version = version
        self._readings = readings
        self._http: dict[tuple[str, int], int] = {}
        self._series: dict[Labels, _Series] = {}
        self._checks: dict[Labels, int] = {}
        self._thresholds: dict[str, float] = {}
        self._prompts: set[str] = set()

    def hear(self, events: Sequence[Event]) -> None:
        """Count what has happened."""
        http = self._http
        for event in events:
            if type(event) is RequestFinished:
                key = (event.path, event.status)
                http[key] = http.get(key, 0) + 1
                if event.call is not None:
                    self._series_of(event.call).add(event.call)
                    if event.call.prompt:
                        self._count_prompt(event.call)
            elif type(event) is AttemptFailed:
                self._series_of(event.attempt).add_attempt(event.attempt)
            elif type(event) is KeptChecked:
                result = (event.endpoint, "agreed" if event.agreed else "wrong")
                self._checks[result] = self._checks.get(result, 0) + 1
                self._thresholds[event.endpoint] = event.threshold

    def ended(self, outcome: str) -> int:
        """Upstream requests that ended so, those that were tried again included."""
        return sum(one.ended(outcome) for one in self._series.values())

    def collect(self) -> Iterator[Metric]:
        """Every family of the table."""
        yield _counter(HTTP, (((path, str(status)), count) for (path, status), count in sorted(self._http.items())))
        series = sorted(self._series.items())
        yield _counter(
            CALLS,
            (
                ((*labels, outcome, str(status)), count)
                for labels, one in series
                for (outcome, status), count in sorted(one.ends.items())
            ),
        )
        yield _histogram(DURATION, ((labels, one.duration) for labels, one in series))
        yield _histogram(FIRST_TOKEN, ((labels[1:], one.first) for labels, one in series if one.first.count))
        yield _counter(TOKENS, _tokens(series))
        yield _counter(CHUNKS, ((labels[1:], one.chunks) for labels, one in series if one.chunks))
        yield _counter(
            CACHE,
            (((*labels[1:], result), count) for labels, one in series for result, count in sorted(one.cache.items())),
        )
        yield _counter(SAVED, ((labels[1:], one.saved) for labels, one in series if one.saved))
        yield _counter(CHECKS, sorted(self._checks.items()))
        yield _gauge(THRESHOLD, [((endpoint,), value) for endpoint, value in sorted(self._thresholds.items())])
        yield _counter(
            FAILED_ATTEMPTS,
            (
                ((*labels[1:], outcome), count)
                for labels, one in series
                for outcome, count in sorted(one.attempts.items())
            ),
        )
        yield _counter(COST, _costs(series))
        yield _counter(UNPRICED, ((labels[1:], one.unpriced) for labels, one in series if one.unpriced))
        yield _counter(
            GUARDS,
            (
                ((*labels[1:], *verdict), count)
                for labels, one in series
                for verdict, count in sorted(one.verdicts.items())
            ),
        )
        yield _counter(PROMPTS, _prompts(series))
        for row in READINGS:
            found = self._readings[row.name]()
            values: list[tuple[Labels, float]] = list(found.items()) if isinstance(found, Mapping) else [((), found)]
            yield _counter(row, values) if row.kind == "counter" else _gauge(row, values)
        yield _gauge(BUILD, [((self._version,), 1)])

    def _series_of(self, row: LedgerRow) -> _Series:
        endpoint = row.endpoint if row.variant else OTHER
        labels = (_WIRES.get(row.operation, "openai"), row.operation, endpoint, row.variant)
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = _Series()
        return series

    def _count_prompt(self, row: LedgerRow) -> None:
        prompt = row.prompt if row.prompt in self._prompts or len(self._prompts) < MOST_PROMPTS else OTHER
        self._prompts.add(prompt)
        self._series_of(row).add_prompt(prompt, row.outcome)


class _Series:
    """The numbers of one wire, operation, endpoint and variant."""

    __slots__ = (
        "attempts",
        "cache",
        "chunks",
        "costs",
        "duration",
        "ends",
        "first",
        "prompts",
        "saved",
        "tokens",
        "unpriced",
        "verdicts",
    )

    def __init__(self) -> None:
        self.attempts: dict[str, int] = {}
        self.ends: dict[tuple[str, int], int] = {}
        self.duration = _Buckets()
        self.first = _Buckets()
        self.tokens = [0, 0, 0, 0]
        self.chunks = 0
        self.cache: dict[str, int] = {}
        self.saved = 0
        self.costs: dict[str, int] = {}
        """Units by currency."""
        self.unpriced = 0
        self.verdicts: dict[tuple[str, str], int] = {}
        self.prompts: dict[tuple[str, str], int] = {}

    def add(self, row: LedgerRow) -> None:
        end = (row.outcome, row.status)
        self.ends[end] = self.ends.get(end, 0) + 1
        self.duration.add(row.latency_ms / 1000)
        if row.first_token_ms is not None:
            self.first.add(row.first_token_ms / 1000)
        if row.chunks:
            self.chunks += row.chunks
        if row.cache:
            self.cache[row.cache] = self.cache.get(row.cache, 0) + 1
            self.saved += row.saved_tokens or 0
        for name, told in row.guards.items():
            verdict = (name, told.partition(":")[0])
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + 1
        self._add_spent(row)

    def ended(self, outcome: str) -> int:
        calls = sum(count for (found, _), count in self.ends.items() if found == outcome)
        return calls + self.attempts.get(outcome, 0)

    def add_attempt(self, row: LedgerRow) -> None:
        """An attempt is no call and nobody waited for its end alone; what it cost is counted."""
        self.attempts[row.outcome] = self.attempts.get(row.outcome, 0) + 1
        self._add_spent(row)

    def add_prompt(self, prompt: str, outcome: str) -> None:
        """A call that this prompt was put before."""
        self.prompts[prompt, outcome] = self.prompts.get((prompt, outcome), 0) + 1

    def _add_spent(self, row: LedgerRow) -> None:
        if row.cost is None:
            self.unpriced += 1
        elif row.currency:
            self.costs[row.currency] = self.costs.get(row.currency, 0) + read_money(row.cost)
        if row.input_tokens is not None or row.output_tokens is not None:
            tokens = self.tokens
            tokens[0] += row.input_tokens or 0
            tokens[1] += row.cached_tokens or 0
            tokens[2] += row.output_tokens or 0
            tokens[3] += row.reasoning_tokens or 0


class _Buckets:
    """A histogram over SECONDS."""

    __slots__ = ("count", "counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.count = 0
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.count += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        edges: list[tuple[str, float]] = []
        so_far = 0
        for edge, count in zip((*map(str, SECONDS), "+Inf"), self.counts, strict=True):
            so_far += count
            edges.append((edge, so_far))
        return edges


def _prompts(series: Sequence[tuple[Labels, _Series]]) -> Iterator[tuple[Labels, float]]:
    for labels, one in series:
        for (prompt, outcome), count in sorted(one.prompts.items()):
            yield (*labels[2:], prompt, outcome), count


def _tokens(series: Sequence[tuple[Labels, _Series]]) -> Iterator[tuple[Labels, float]]:
    for labels, one in series:
        for direction, count in zip(DIRECTIONS, one.tokens, strict=True):
            if count:
                yield (*labels[1:], direction), count


def _costs(series: Sequence[tuple[Labels, _Series]]) -> Iterator[tuple[Labels, float]]:
    for labels, one in series:
        for currency, units in one.costs.items():
            yield (*labels[1:], currency), units / UNIT


def _counter(row: MetricRow, values: Iterator[tuple[Labels, float]] | list[tuple[Labels, float]]) -> Metric:
    family = CounterMetricFamily(row.name, row.text, labels=row.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _gauge(row: MetricRow, values: Sequence[tuple[Labels, float]]) -> Metric:
    family = GaugeMetricFamily(row.name, row.text, labels=row.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _histogram(row: MetricRow, values: Iterator[tuple[Labels, _Buckets]]) -> Metric:
    family = HistogramMetricFamily(row.name, row.text, labels=row.labels)
    for labels, buckets in values:
        family.add_metric(labels, buckets.cumulative(), buckets.total)
    return family
