"""Port: who decides, from what was seen of two variants, whether a rollout goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from modelwright.core.experiments.observations import Observation


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now."""

    action: Literal["hold", "advance", "roll_back"]
    """No data is no reason to advance: it is to hold."""
    reason: str
    """One sentence for the history."""


class Decide(Protocol):
    """A rule; it remembers nothing between two questions."""

    def __call__(self, observations: Sequence[Observation], *, candidate: str) -> Decision:
        """`observations` are of all variants over the same period; `candidate` is the variant that is on trial."""
        ...
