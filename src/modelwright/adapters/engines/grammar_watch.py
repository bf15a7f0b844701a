"""Finds the answer whose grammar makes the steps of its engine slower and slower; it judges times and ends nothing.

A grammar that says the same in many ways compiles in no time, and then costs more with every token. Native code cannot
be stopped in the middle of a step, so what is too much is bounded over the steps of an answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_FORGETS = 1.02
"""What the quickest step counts for at each step that comes after it: one that had nothing to do is soon forgotten."""
SECONDS = 2.0
"""Processor time that the grammar of one answer may cost, over all its steps."""
TIMES = 20.0
"""Up to so many times that of the quickest step a step costs nothing: large models are slow by themselves."""


class GrammarWatch:
    """What the grammars of answers have cost."""

    def __init__(self) -> None:
        self._quickest = math.inf
        self._costs: dict[int, tuple[int, float]] = {}
        """Of each bound answer: its steps, and what they took too long."""

    def spent(self, seconds: float, bound: Sequence[int]) -> int | None:
        """Which of the `bound` requests to end after a step in which no prompt was read; None: nobody's time is up.

        What a step takes too long is not known to be one request's or another's: of several that were there the one
        goes whose steps were the slowest on the whole, and all others begin anew.
        """
        self._quickest = min(_FORGETS * self._quickest, seconds)
        over = max(0.0, seconds - TIMES * self._quickest)
        self._costs = {
            request: (steps + 1, cost + over)
            for request in bound
            for steps, cost in (self._costs.get(request, (0, 0.0)),)
        }
        if not any(cost > SECONDS for _, cost in self._costs.values()):
            return None
        slowest = max(bound, key=lambda request: self._costs[request][1] / self._costs[request][0])
        self._costs.clear()
        return slowest
