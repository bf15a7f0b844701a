"""The circuit breaker of one address of a provider: it counts, and says who may be sent there; it sends nothing.

Closed, all may. After too many failures it opens, and nobody may for a while. Then it is half open: one call at a time
may try, and the first that comes through closes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from modelwright.core.contracts.snapshot import BreakerRule

State: TypeAlias = Literal["closed", "open", "half_open"]

SLOTS = 10
"""Parts of the window that are forgotten at a time."""
JITTER = 0.5
"""An open breaker rests up to so much longer, by chance, so that several workers do not come back together."""


class Breaker:
    """Times are monotonic seconds. `who` tells attempts apart: only the one that tries a half-open one decides it."""

    __slots__ = ("_bad", "_chance", "_good", "_opened_until", "_probe", "_rule", "_slot", "_slot_time", "_tell")

    def __init__(
        self,
        rule: BreakerRule,
        *,
        chance: Callable[[], float] = lambda: 0.0,
        tell: Callable[[State], None] = lambda _: None,
    ) -> None:
        """`chance` draws evenly from [0, 1); `tell` hears of every change."""
        self._rule = rule
        self._chance = chance
        self._tell = tell
        self._slot_time = rule.window / SLOTS
        self._slot = 0
        self._good = [0] * SLOTS
        self._bad = [0] * SLOTS
        self._opened_until: float | None = None
        self._probe: object | None = None

    @property
    def closed(self) -> bool:
        """Whether all may be sent there."""
        return self._opened_until is None

    def admits(self, now: float) -> bool:
        """Whether one more may be sent there."""
        until = self._opened_until
        return until is None or (now >= until and self._probe is None)

    def wait(self, now: float) -> float:
        """Seconds until it is worth to ask again."""
        return max(1.0, self._opened_until - now) if self._opened_until is not None else 0.0

    def enter(self, who: object) -> None:
        """An attempt that was admitted begins."""
        if self._opened_until is not None:
            self._probe = who
            self._tell("half_open")

    def leave(self, who: object) -> None:
        """An attempt ended without telling anything of the provider."""
        if self._probe is who:
            self._probe = None

    def succeed(self, who: object, now: float) -> None:
        """An attempt was answered."""
        if self._opened_until is None:
            self._turn(now)
            self._good[self._slot % SLOTS] += 1
        elif self._probe is who:
            self._probe = self._opened_until = None
            self._good = [0] * SLOTS
            self._bad = [0] * SLOTS
            self._tell("closed")

    def fail(self, who: object, now: float) -> None:
        """An attempt failed in a way that speaks against the provider."""
        if self._opened_until is None:
            self._turn(now)
            self._bad[self._slot % SLOTS] += 1
            failures = sum(self._bad)
            if failures >= self._rule.failures and failures >= self._rule.share * (failures + sum(self._good)):
                self._open(now)
        elif self._probe is who:
            self._open(now)

    def _open(self, now: float) -> None:
        self._probe = None
        self._opened_until = now + self._rule.rest * (1.0 + JITTER * self._chance())
        self._tell("open")

    def _turn(self, now: float) -> None:
        """Forget the parts of the window that have passed."""
        slot = int(now / self._slot_time)
        if slot == self._slot:
            return
        for passed in range(self._slot + 1, min(slot, self._slot + SLOTS) + 1):
            self._good[passed % SLOTS] = self._bad[passed % SLOTS] = 0
        self._slot = slot
