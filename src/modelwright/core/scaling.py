"""How many replicas a model should have, from what is asked of them: a pure rule over values and a clock."""

from __future__ import annotations

import math

import msgspec

LONG_ENOUGH = 2.0
"""Seconds for which replicas have to be too busy before one more is started: a burst is over sooner than a load."""
CALM = 60.0
"""Seconds for which one replica less would have been enough before it goes."""
SLACK = 0.5
"""Share of the limits that the ones who stay may have then: so that they are not too busy at once."""


class ScaleRule(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds, and when to go from one to the other."""

    least: int = 1
    most: int = 1
    in_flight: float = 8.0
    """Calls per replica, waiting ones included, above which there should be more."""
    latency: float = 0.0
    """Mean seconds of a call above which there should be more; 0: whatever it is."""
    idle: float = 600.0
    """Seconds without a call after which there are as few as may be."""

    @property
    def moves(self) -> bool:
        """Whether there is anything to decide."""
        return self.most > self.least


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a model now, over all of its replicas."""

    replicas: int
    in_flight: int = 0
    """Calls, waiting ones included."""
    calls: int = 0
    """Ended since the look before."""
    seconds: float = 0.0
    """That those took, together."""


class Scaler:
    """Remembers since when a model has been too busy, calm or idle."""

    def __init__(self, rule: ScaleRule, *, now: float) -> None:
        """`now` is monotonic, here and below."""
        self.rule = rule
        self._busy_since: float | None = None
        self._calm_since: float | None = None
        self._asked = now

    def wants(self, demand: Demand, *, now: float) -> int:
        """How many replicas there should be, within the bounds; as many as there are when nothing has to change."""
        rule, replicas = self.rule, demand.replicas
        if demand.in_flight or demand.calls:
            self._asked = now
        self._busy_since = _since(self._busy_since, now, holds=self._is_busy(demand))
        self._calm_since = _since(self._calm_since, now, holds=self._is_calm(demand))
        wanted = replicas
        if now - self._asked >= rule.idle:
            wanted = rule.least
        elif self._busy_since is not None and now - self._busy_since >= LONG_ENOUGH:
            wanted = max(replicas + 1, math.ceil(demand.in_flight / rule.in_flight))
        elif self._calm_since is not None and now - self._calm_since >= CALM:
            wanted = replicas - 1
        floor = max(rule.least, 1) if demand.in_flight else rule.least
        wanted = min(max(wanted, floor), rule.most)
        if wanted != replicas:
            self._busy_since = self._calm_since = None
        return wanted

    def _is_busy(self, demand: Demand) -> bool:
        rule = self.rule
        if demand.replicas == 0:
            return False
        slow = bool(rule.latency and demand.calls and demand.seconds / demand.calls > rule.latency)
        return demand.in_flight / demand.replicas > rule.in_flight or slow

    def _is_calm(self, demand: Demand) -> bool:
        """One replica less would be enough, and not too busy soon."""
        rule, left = self.rule, demand.replicas - 1
        if left < max(rule.least, 1):
            return False
        slow = rule.latency and demand.calls and demand.seconds / demand.calls > SLACK * rule.latency
        return demand.in_flight / left <= SLACK * rule.in_flight and not slow


def _since(before: float | None, now: float, *, holds: bool) -> float | None:
    if not holds:
        return None
    return now if before is None else before
