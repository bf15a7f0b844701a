"""Rule: how many new calls a turn of the event loop may take while more come than the processor can answer; pure.

A call that is refused after it was read and recognised costs half of one that is answered, so a worker at twice its
rate would do little but refuse. What this rule keeps out is not even looked at, and costs a small part of that.
"""

from __future__ import annotations

import math

LONG = 0.02
"""Seconds that a turn may work on calls: about how long those wait that come next."""
PATIENCE = 0.25
"""Seconds of longer turns, one after the other, after which it is no burst any more."""
CALM = 1.0
"""Seconds without a refusal after which all may come again."""
GAP = 0.1
"""Seconds between two turns of work in which there was nothing to do, or only requests to turn away."""
LEAST = 64
"""New calls that every turn takes: with so few, something else makes it long."""
_STEPS = (0.5, 1.25)
"""By how much the room may change from one turn to the next."""


class Pressure:
    """Of one event loop; told of every turn in which calls came."""

    def __init__(self) -> None:
        self.room = math.inf
        """New calls that a turn takes."""
        self.refused = False
        """To be set when a call was turned away."""
        self._since = math.inf
        self._last = self._refused_at = -math.inf

    def turn(self, taken: int, *, began: float, ended: float) -> None:
        """A turn with so many new calls is over; times are the monotonic seconds of the work on calls alone."""
        work = max(ended - began, 1e-6)
        follows, self._last = began - self._last < GAP, ended
        if self.refused:
            self._refused_at, self.refused = ended, False
        if self.room < math.inf:
            if ended - self._refused_at > CALM:
                self.room = self._since = math.inf
            else:
                least, most = _STEPS
                self.room = max(LEAST, self.room * min(most, max(least, LONG / work)))
        elif work <= LONG:
            self._since = math.inf
        elif not follows or self._since == math.inf:
            self._since = began
        elif ended - self._since > PATIENCE:
            self.room = max(LEAST, taken * LONG / work)
            self._refused_at = ended
