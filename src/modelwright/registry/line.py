"""What a history amounts to: the versions of a name in order, and what its aliases mean now; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec

from modelwright.core.ports.registry import ALIAS, REMOVED, VERSION, Entry

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
    removed: Mapping[str, str] = MappingProxyType({})
    """The digest that it had, by version; its name is never given to other content."""

    def find(self, word: str) -> Version | None:
        """What a version, an alias or a digest means now; None when it means nothing.

        A digest that was replaced under its version's name is found all the same: it was registered once. One that was
        removed is not.
        """
        if word.startswith(DIGEST):
            if word in self.removed.values() and word not in self.versions.values():
                return None
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
    removed: dict[str, str] = {}
    for entry in entries:
        if entry.act == VERSION:
            versions[entry.name] = entry.to
            removed.pop(entry.name, None)
        elif entry.act == ALIAS:
            aliases[entry.name] = entry.to
        elif entry.act == REMOVED:
            removed[entry.name] = versions.pop(entry.name, entry.was)
    return Line(
        name=name,
        versions=MappingProxyType(versions),
        aliases=MappingProxyType(aliases),
        history=entries,
        removed=MappingProxyType(removed),
    )


def _registers(entry: Entry, digest: str) -> bool:
    return entry.act == VERSION and entry.to == digest
