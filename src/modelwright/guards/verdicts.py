"""Counts what one call's guard has found, and says it as the ledger does."""

from __future__ import annotations


class Verdicts:
    """By name of the finding."""

    __slots__ = ("_counts", "told")

    def __init__(self) -> None:
        self.told: dict[str, str] = {}
        """As they go into the ledger: what was done and how often, and more where there is more to tell."""
        self._counts: dict[tuple[str, str], int] = {}

    def note(self, name: str, action: str, more: str = "", *, weaker: str = "") -> None:
        """One more; of the action `weaker` nothing is told beside others."""
        count = self._counts[name, action] = self._counts.get((name, action), 0) + 1
        if action != weaker or self.told.get(name, weaker).startswith(weaker):
            self.told[name] = f"{action}:{count}{more}"
