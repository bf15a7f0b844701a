"""What has been seen of the variants of an endpoint, folded from ledger rows and feedback; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from modelwright.core.experiments.intervals import Interval, mean, quantile, share

NOBODYS_FAULT = frozenset({"ok", "refused", "guard_blocked", "client_disconnect", "provider_refused"})
"""Ends of a call that do not speak against the variant that answered."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One ended call, as far as the comparison of variants goes."""

    variant: str
    outcome: str
    latency_ms: float
    first_token_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: str | None = None
    currency: str = ""
    score: float | None = None
    """The mean of the feedback on this call; None without any."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One variant over a period. Times are milliseconds; intervals are 95 %."""

    variant: str
    calls: int
    failures: int
    """Ends that speak against the variant; what the client did wrong is none."""
    failure_share: Interval | None
    latency_p50_ms: Interval | None
    """Of calls that were answered."""
    latency_p95_ms: Interval | None
    first_token_p50_ms: Interval | None
    input_tokens: int
    output_tokens: int
    cost: dict[str, str]
    """Exact decimal by currency."""
    unpriced: int
    """Answered calls whose cost is not known."""
    feedback: int
    """Calls that somebody judged."""
    score: Interval | None
    """Mean of their scores, 0 to 1."""


def observe(rows: Iterable[Seen], variants: Sequence[str] = ()) -> list[Observation]:
    """One observation for each variant that is named or seen, the named ones first."""
    by: dict[str, list[Seen]] = {name: [] for name in variants}
    for row in rows:
        by.setdefault(row.variant, []).append(row)
    return [_observation(name, seen) for name, seen in by.items()]


def _observation(variant: str, seen: Sequence[Seen]) -> Observation:
    answered = [row for row in seen if row.outcome == "ok"]
    failures = sum(row.outcome not in NOBODYS_FAULT for row in seen)
    latencies = sorted(row.latency_ms for row in answered)
    firsts = sorted(row.first_token_ms for row in answered if row.first_token_ms is not None)
    scores = [row.score for row in seen if row.score is not None]
    cost: dict[str, Decimal] = {}
    for row in seen:
        if row.cost is not None:
            cost[row.currency] = cost.get(row.currency, Decimal(0)) + Decimal(row.cost)
    return Observation(
        variant=variant,
        calls=len(seen),
        failures=failures,
        failure_share=share(failures, len(seen)),
        latency_p50_ms=quantile(latencies, 0.5),
        latency_p95_ms=quantile(latencies, 0.95),
        first_token_p50_ms=quantile(firsts, 0.5),
        input_tokens=sum(row.input_tokens or 0 for row in seen),
        output_tokens=sum(row.output_tokens or 0 for row in seen),
        cost={currency: f"{amount:f}" for currency, amount in cost.items()},
        unpriced=sum(row.cost is None for row in answered),
        feedback=len(scores),
        score=mean(scores),
    )
