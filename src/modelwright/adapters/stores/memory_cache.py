"""The cache of one process: answers in memory within a number of bytes, the least recently used go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from modelwright.core.ports.cache import Kept

LIMIT = 64 << 20
OVERHEAD = 600
"""Bytes that an entry takes beside its body, roughly: its objects and its place in the table."""
SHARE = 8
"""One entry may take one such part of the room, so that a few large ones do not push out all others."""


class MemoryCache:
    """The store for one worker; also the fake, since it needs nobody."""

    def __init__(self, now: Callable[[], float], *, limit: int = LIMIT) -> None:
        """`now` gives Unix seconds."""
        self.evicted = 0
        """Entries that went before their time."""
        self.held = 0
        """Bytes."""
        self._now = now
        self._limit = limit
        self._entries: OrderedDict[bytes, tuple[float, Kept]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, keys: Sequence[bytes]) -> Sequence[Kept | None]:
        return [self._one(key) for key in keys]

    def put(self, entries: Sequence[tuple[bytes, Kept]], *, ttl: float) -> None:
        until = self._now() + ttl
        for key, kept in entries:
            self._drop(key)
            size = _size(kept)
            if size * SHARE <= self._limit:
                self._entries[key] = (until, kept)
                self.held += size
        self._make_room()

    def bound(self, size: int) -> None:
        self._limit = size
        self._make_room()

    def _one(self, key: bytes) -> Kept | None:
        found = self._entries.get(key)
        if found is None:
            return None
        until, kept = found
        if until <= self._now():
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return kept

    def _make_room(self) -> None:
        while self.held > self._limit:
            until, kept = self._entries.popitem(last=False)[1]
            self.held -= _size(kept)
            self.evicted += until > self._now()

    def _drop(self, key: bytes) -> None:
        found = self._entries.pop(key, None)
        if found is not None:
            self.held -= _size(found[1])


def _size(kept: Kept) -> int:
    return len(kept.body) + len(kept.usage) + OVERHEAD
