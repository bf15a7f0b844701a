"""When a process that holds more memory than it may has to end: a pure rule over numbers and a clock."""

from __future__ import annotations

LOOK = 0.25
"""Seconds between two looks at what it holds."""
TOO_FAR = 1.25
"""Times the bound, from which on its last answers are not waited for."""
PATIENCE = 5.0
"""Seconds that these may take otherwise."""


class MemoryBound:
    """Of one life of one process."""

    def __init__(self, most: int) -> None:
        self.most = most
        """Bytes."""
        self._since: float | None = None

    def looked(self, held: int, *, now: float) -> str:
        """`end`: ask it to; `kill`: do not wait any more; empty: nothing is to be done. `now` is monotonic."""
        if held <= self.most and self._since is None:
            return ""
        first = self._since is None
        since = self._since = now if self._since is None else self._since
        if held > TOO_FAR * self.most or now - since >= PATIENCE:
            return "kill"
        return "end" if first else ""
