"""What a history amounts to: the versions of a name in order, and what its aliases mean now; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from modelwright.core.ports.registry import VERSION, Entry

DIGEST = "sha256:"


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a name."""

    name: str
    version: str
    digest: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One name as it stands."""

    name: str
    versions: Mapping[str, str]
    """Digest by version, in the order in which they were registered."""
    aliases: Mapping[str, str]
    """Version by alias."""
    history: tuple[Entry, ...]
    """The oldest first."""

    def find(self, word: str) -> Version | None:
        """What a version, an alias or a digest means now; None when it means nothing.

        A digest that was replaced under its version's name is found all the same: it was registered once.
        """
        if word.startswith(DIGEST):
            at = next((entry.name for entry in reversed(self.history) if _registers(entry, word)), None)
            return None if at is None else Version(name=self.name, version=at, digest=word)
        version = self.aliases.get(word, word)
        digest = self.versions.get(version)
        return None if digest is None else Version(name=self.name, version=version, digest=digest)


def line_of(name: str, history: Iterable[Entry]) -> Line:
    """Fold a history, the oldest entry first."""
    entries = tuple(history)
    versions: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for entry in entries:
        (versions if entry.act == VERSION else aliases)[entry.name] = entry.to
    return Line(name=name, versions=MappingProxyType(versions), aliases=MappingProxyType(aliases), history=entries)


def _registers(entry: Entry, digest: str) -> bool:
    return entry.act == VERSION and entry.to == digest
