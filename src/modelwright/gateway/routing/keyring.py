"""The keys of one provider: they take turns, and one that was refused rests; it sends nothing."""

from __future__ import annotations

from collections.abc import Iterable

from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import ProviderAuth, ProviderRateLimited

REFUSED_REST = 300.0
"""Seconds that a key rests after the provider said that it is wrong or has no money."""
LIMITED_REST = 1.0
"""The same after a rate limit that did not say how long."""
LONGEST_REST = 3600.0


class KeyRing:
    """Hands out keys; when all rest, the one that wakes first is handed out all the same.

    A limit may hold for one model alone: resting is a preference, not a ban.
    """

    __slots__ = ("_at", "_rests", "keys")

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self.keys = tuple(keys)
        self._at = 0
        self._rests: dict[str, float] = {}
        """Until when, by key."""

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, now: float) -> str:
        """The key whose turn it is; empty when the provider needs none."""
        keys = self.keys
        if len(keys) < 2:
            return keys[0] if keys else ""
        for _ in keys:
            key = keys[self._at]
            self._at = (self._at + 1) % len(keys)
            if self._rests.get(key, now) <= now:
                return key
        return min(keys, key=self._rests.__getitem__)

    def awake(self, now: float) -> int:
        """Keys that do not rest."""
        return sum(self._rests.get(key, now) <= now for key in self.keys)

    def refused(self, key: str, *, error: CallError, now: float) -> None:
        """The provider refused a request for its key; other errors are ignored."""
        if isinstance(error, ProviderAuth):
            self._rests[key] = now + REFUSED_REST
        elif isinstance(error, ProviderRateLimited):
            rest = LIMITED_REST if error.retry_after is None else error.retry_after
            self._rests[key] = now + min(rest, LONGEST_REST)
