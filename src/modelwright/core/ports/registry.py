"""Ports: where a registry keeps histories and documents, and where the files are that documents name by digest."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Protocol

import msgspec

VERSION, ALIAS, REMOVED = "version", "alias", "removed"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a history, which is never changed: a version was registered or removed, or an alias was moved."""

    act: str
    """VERSION, ALIAS, or REMOVED of a version."""
    name: str
    """Of the version or the alias."""
    to: str
    """What it means from now on: a version's digest, an alias's version; empty when it was removed."""
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


class Blob(msgspec.Struct, frozen=True, kw_only=True):
    """One file that is kept."""

    digest: str
    """`sha256:` and 64 hex digits."""
    size: int
    since: float
    """Unix seconds when it was put there, or put there once more."""


class BlobStore(Protocol):
    """Keeps whole files; none of its verbs leaves half of one behind that anybody could see.

    All of them block, and raise SourceUnavailable when the store does not answer.
    """

    place: str
    """What people call it."""

    def put(self, file: Path, digest: str) -> bool:
        """Keep a copy of a file; False when it was there already, whose `since` is now.

        Raises ArtifactDamaged when the file is not of this digest, OSError when it cannot be read.
        """
        ...

    def fetch(self, digest: str, to: Path, *, lasting: bool = False) -> None:
        """Make a read-only file of the content; `to` must not exist, and does not after a failure.

        `lasting`: it may be the very file that the store keeps, since nobody will ever write it.
        Raises ArtifactMissing, ArtifactDamaged, and OSError when the file cannot be written.
        """
        ...

    def held(self) -> Iterator[Blob]:
        """Everything that is kept."""
        ...

    def drop(self, digest: str, *, before: float = inf) -> bool:
        """Keep it no longer, if it was put there before (Unix seconds) and nobody puts it there now.

        False when it stays, or is not there.
        """
        ...
