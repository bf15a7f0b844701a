"""Pipes that tell a worker that those whom it serves are gone, so that a killed supervisor leaves no orphan.

Nothing is ever written. A worker reads its tier's pipe; the supervisor and every process of the tiers before hold the
writing end. So when the supervisor is killed, gateways see it at once and finish their calls; serving workers see it
when the last gateway has ended, and control after them: the order of a drain, kept by the kernel.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence


class Lifelines:
    """One pipe per tier, in the order of a drain."""

    def __init__(self, tiers: Sequence[str]) -> None:
        self._tiers = tuple(tiers)
        self._pipes = {tier: os.pipe() for tier in tiers}

    def ends(self, tier: str) -> tuple[int, tuple[int, ...]]:
        """(the reading end of this tier, the writing ends of the tiers after it): what a process inherits."""
        after = self._tiers[self._tiers.index(tier) + 1 :]
        return self._pipes[tier][0], tuple(self._pipes[other][1] for other in after)

    def close(self) -> None:
        """The supervisor's own ends."""
        for pipe in self._pipes.values():
            for end in pipe:
                with contextlib.suppress(OSError):
                    os.close(end)
        self._pipes = {}
