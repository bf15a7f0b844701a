"""The fake of the registry's store: histories and documents in memory, gone with the process."""

from __future__ import annotations

from modelwright.core.errors.registry import NotRegistered
from modelwright.core.ports.registry import Entry


class MemoryRegistryStore:
    """Keeps entries in the order in which they came."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], tuple[Entry, ...]] = {}
        self._contents: dict[str, bytes] = {}

    async def names(self, kind: str) -> tuple[str, ...]:
        return tuple(sorted(name for known, name in self._entries if known == kind))

    async def read(self, kind: str, name: str) -> tuple[Entry, ...]:
        return self._entries.get((kind, name), ())

    async def append(self, kind: str, name: str, entry: Entry, *, after: int, content: bytes | None = None) -> bool:
        before = self._entries.get((kind, name), ())
        if len(before) != after:
            return False
        if content is not None:
            self._contents.setdefault(entry.to, content)
        self._entries[kind, name] = (*before, entry)
        return True

    async def content(self, digest: str) -> bytes:
        found = self._contents.get(digest)
        if found is None:
            raise NotRegistered(f"the registry holds no {digest}", hint="register it again")
        return found
