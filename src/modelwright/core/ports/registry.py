"""Port: where a registry keeps the history of every name, and the documents that its versions are."""

from __future__ import annotations

from typing import Protocol

import msgspec

VERSION, ALIAS = "version", "alias"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a history: a version was registered, or an alias was moved; never changed, never taken back."""

    act: str
    """VERSION or ALIAS."""
    name: str
    """Of the version or the alias."""
    to: str
    """What it means from now on: a version's digest, an alias's version."""
    was: str = ""
    """What it meant before; empty when it is new."""
    who: str
    why: str
    at: float
    """Unix seconds."""


class RegistryStore(Protocol):
    """Keeps a history per kind of artifact and name, and documents by digest; both are only ever added to."""

    async def names(self, kind: str) -> tuple[str, ...]:
        """Names with a history, sorted."""
        ...

    async def read(self, kind: str, name: str) -> tuple[Entry, ...]:
        """The oldest first; none for an unknown name."""
        ...

    async def append(self, kind: str, name: str, entry: Entry, *, after: int, content: bytes | None = None) -> bool:
        """Add an entry, and the document whose digest it names, durably and both or neither.

        Only when exactly `after` entries stand there; False, with nothing added, when others came first.
        """
        ...

    async def content(self, digest: str) -> bytes:
        """The whole document; raises NotRegistered."""
        ...
