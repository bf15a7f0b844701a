"""When a part that died is started again: exponential backoff and a breaker for crash loops, as pure values."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class BackoffRule(msgspec.Struct, frozen=True):
    """Times in seconds."""

    first: float = 0.0
    """Wait before the first restart: a single crash should cost as little as possible."""
    base: float = 0.5
    factor: float = 2.0
    ceiling: float = 15.0
    window: float = 60.0
    """Deaths older than this are forgotten."""
    opens_after: int = 6
    """Deaths within the window that open the breaker."""
    open_for: float = 60.0
    steady: float = 10.0
    """After an open breaker the part is on trial until it has been ready for this long."""


class Restart(msgspec.Struct, frozen=True):
    """Start again after `wait` seconds; `breaker_open` says that this is a crash loop."""

    wait: float
    breaker_open: bool


def next_restart(rule: BackoffRule, deaths: Sequence[float], now: float, *, trial: bool = False) -> Restart:
    """Decide from the times of all deaths so far (the newest included; any clock that only goes up).

    `trial`: the life that has just ended was the one try after an open breaker, so the breaker opens again at once.
    """
    recent = sum(1 for death in deaths if now - death <= rule.window)
    if trial or recent >= rule.opens_after:
        return Restart(wait=rule.open_for, breaker_open=True)
    if recent <= 1:
        return Restart(wait=rule.first, breaker_open=False)
    return Restart(wait=min(rule.ceiling, rule.base * rule.factor ** (recent - 2)), breaker_open=False)
