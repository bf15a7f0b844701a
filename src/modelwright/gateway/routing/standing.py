"""What a worker has learnt of one provider, kept across snapshots: its keys' rests and its budget of retries."""

from __future__ import annotations

from modelwright.gateway.routing.again import RetryBudget
from modelwright.gateway.routing.keyring import KeyRing


class Standing:
    """Of one provider, for all of its lanes."""

    __slots__ = ("budget", "ring")

    def __init__(self, keys: tuple[str, ...] = (), *, budget: RetryBudget | None = None) -> None:
        self.budget = budget or RetryBudget()
        self.ring = KeyRing(keys)
