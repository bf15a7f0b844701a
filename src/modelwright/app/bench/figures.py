"""From the answers of one load to figures; pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import msgspec

SHARES = (0.5, 0.9, 0.99, 1.0)
"""Of which latencies are told: half, nine of ten, 99 of 100, all."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """One load: so many clients at once, each sending when it has its answer, or so many requests a second."""

    concurrency: int = 0
    rate: float = 0.0
    """Requests a second, whatever the answers do; 0: it is `concurrency`."""

    def __str__(self) -> str:
        return f"{self.rate:g}/s" if self.rate else str(self.concurrency)


class Sample(msgspec.Struct, frozen=True):
    """One request and what became of it."""

    seconds: float
    """From the moment at which it was to be sent to the last byte of its answer."""
    error: str = ""
    """Empty: answered 200, whole."""
    first: float | None = None
    """Of a stream: seconds to its first content."""
    tokens: int = 0
    """Output tokens, as the answer's usage says."""


class Within(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds within which so many of a hundred came."""

    p50: float
    p90: float
    p99: float
    max: float


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one load has shown."""

    load: str
    """`8` clients at once, or `50/s`."""
    seconds: float
    """From the first request to the last answer."""
    requests: int
    ok: int
    per_second: float
    """Answers without an error."""
    latency_ms: Within | None
    """Of answers without an error; None when there is none."""
    first_ms: Within | None = None
    """Of streams: to the first content."""
    tokens_per_second: float | None = None
    """Output tokens of all answers; None where none were told."""
    errors: dict[str, int] = {}
    """How often each was seen."""
    late_ms: float = 0.0
    """How far sending was behind its plan at the worst: where it is much, the load is what was measured."""
    cost_per_1000: dict[str, str] = {}
    """Of a thousand answers, an exact decimal by currency; empty: not known."""


def figures_of(load: Load, samples: Sequence[Sample], *, seconds: float, late: float = 0.0) -> Figures:
    """Fold the samples of one load that took so many seconds."""
    good = [sample for sample in samples if not sample.error]
    firsts = [sample.first for sample in good if sample.first is not None]
    tokens = sum(sample.tokens for sample in good)
    return Figures(
        load=str(load),
        seconds=round(seconds, 3),
        requests=len(samples),
        ok=len(good),
        per_second=round(len(good) / seconds, 2) if seconds else 0.0,
        latency_ms=within([sample.seconds for sample in good]),
        first_ms=within(firsts),
        tokens_per_second=round(tokens / seconds, 2) if tokens and seconds else None,
        errors=dict(Counter(sample.error for sample in samples if sample.error).most_common()),
        late_ms=round(1000 * late, 3),
    )


def within(seconds: Sequence[float]) -> Within | None:
    """Nearest rank: the least of them that so many do not exceed."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    at = (ordered[math.ceil(share * len(ordered)) - 1] for share in SHARES)
    p50, p90, p99, longest = (round(1000 * each, 3) for each in at)
    return Within(p50=p50, p90=p90, p99=p99, max=longest)
