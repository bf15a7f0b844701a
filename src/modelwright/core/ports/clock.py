"""Port: time, so that rules are tested without waiting."""

from typing import Protocol


class Clock(Protocol):
    """Two readings of time, both in seconds."""

    def now(self) -> float:
        """Unix time; may jump."""
        ...

    def monotonic(self) -> float:
        """Only goes up; for durations and deadlines."""
        ...


class ManualClock:
    """The fake: time goes on only when told."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._elapsed = 0.0
        self._start = start

    def now(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._elapsed += seconds
