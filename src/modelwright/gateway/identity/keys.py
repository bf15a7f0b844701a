"""The keys of a snapshot by their digest: those in it, those that it says are gone, and a table of all the others."""

from __future__ import annotations

from collections.abc import Callable

from modelwright.core.contracts.snapshot import Key, Snapshot
from modelwright.core.errors.starting import StartError
from modelwright.core.wire.key_table import KeyTable

KeyTables = Callable[[str], KeyTable]
"""Opens the table that a snapshot names; raises StartError."""


def no_tables(path: str) -> KeyTable:
    """Where nobody can open one."""
    raise StartError(f"the snapshot names {path}, which nobody can open here", hint="start all parts anew")


class Keys:
    """What changed since the table was written stands in the snapshot and goes before it."""

    def __init__(self, snapshot: Snapshot, table: KeyTable | None = None) -> None:
        self._changed = {key.digest: key for key in snapshot.keys}
        self._gone = frozenset(snapshot.keys_gone)
        self._table = table

    def __len__(self) -> int:
        return len(self._changed) + (len(self._table) if self._table is not None else 0)

    def get(self, digest: str) -> Key | None:
        """The key of a digest; whether it has expired is not asked here."""
        key = self._changed.get(digest)
        if key is None and self._table is not None and digest not in self._gone:
            return self._table.get(digest)
        return key
