"""How often a similar question's answer was the wrong one, and what follows: a pure rule over counts.

Some hits are asked again and compared. When the wrong ones are more than the manifest allows, beyond what chance
explains, the threshold moves half of the way to 1 and the counting begins anew; it never goes down by itself.
"""

from __future__ import annotations

import math

Z = 1.2816
"""One-sided 90 %: a threshold that is raised too early costs hits, one raised too late costs wrong answers."""
NEVER = 0.9999
"""A threshold from which on nothing is similar enough: the answers of others are given no more."""


class Trial:
    """Of one endpoint."""

    __slots__ = ("allowed", "checked", "stated", "threshold", "wrong")

    def __init__(self, *, threshold: float, allowed: float) -> None:
        """`allowed`: the share of hits that may be wrong."""
        self.stated = threshold
        """In the manifest."""
        self.threshold = threshold
        self.allowed = allowed
        self.checked = 0
        """Since the threshold moved."""
        self.wrong = 0

    def judge(self, *, agreed: bool) -> bool:
        """Count one comparison; whether the threshold was raised for it."""
        self.checked += 1
        self.wrong += not agreed
        if agreed or lower_bound(self.wrong, self.checked) <= self.allowed:
            return False
        raised = self.threshold + (1.0 - self.threshold) / 2
        self.threshold = raised if raised < NEVER else math.inf
        self.checked = self.wrong = 0
        return True


def lower_bound(count: int, of: int, *, z: float = Z) -> float:
    """The least share that such a count leaves likely: the lower end of Wilson's score interval (Wilson, 1927)."""
    if not count:
        return 0.0
    share = count / of
    middle = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - spread) / (1 + z * z / of)
