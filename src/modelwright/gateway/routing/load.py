"""How busy and how quick a variant is, as one worker sees it: a moving average that grows old, without a clock."""

from __future__ import annotations

import math

REMEMBERED = 30.0
"""Seconds in which what was measured loses two thirds of its weight."""
LEAST_WEIGHT = 0.1
"""Of each new measurement, however close it is to the one before: a change shows after a few calls."""


class Load:
    """Of one variant. Whole answers and first tokens of streams are two different measures."""

    __slots__ = ("_at", "_seconds", "in_flight")

    def __init__(self) -> None:
        self.in_flight = 0
        self._seconds: dict[bool, float] = {}
        self._at: dict[bool, float] = {}

    def observe(self, seconds: float, *, stream: bool, now: float) -> None:
        """A call has taken so long: until its first content when it is a stream, otherwise until its end."""
        known = self._seconds.get(stream)
        if known is None:
            self._seconds[stream] = seconds
        else:
            weight = max(LEAST_WEIGHT, 1.0 - math.exp(-max(0.0, now - self._at[stream]) / REMEMBERED))
            self._seconds[stream] = known + weight * (seconds - known)
        self._at[stream] = now

    def expected(self, *, stream: bool, now: float) -> float:
        """Seconds that one more call is expected to take, those before it waiting in line.

        One that is idle seems quicker the longer it was not asked, so that it is tried again some day; one that was
        never asked is asked at once, but by one call at a time.
        """
        known = self._seconds.get(stream)
        if known is None:
            return math.inf if self.in_flight else 0.0
        if not self.in_flight:
            return known * math.exp(-max(0.0, now - self._at[stream]) / REMEMBERED)
        return known * (self.in_flight + 1)
