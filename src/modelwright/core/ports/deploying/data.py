"""Port: what a target keeps over releases, for whoever makes a backup of it or puts one back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

Pour = Callable[[Callable[[bytes], None]], None]
"""Hands each piece of a content, in order, to whoever takes it."""


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """A PostgreSQL that the target runs itself."""

    version: int
    """Its major one."""
    tables: int
    """Of the programs; 0: it is empty."""


class Data(Protocol):
    """That of one environment. Its verbs block, and may take long: they are for a thread."""

    def look(self, service: str) -> Database | None:
        """None when it does not run there. Raises BackupError when it cannot be asked."""
        ...

    def dump(self, service: str) -> Iterator[bytes]:
        """All of its database, of one moment, in pieces; whoever writes meanwhile goes on. Raises BackupError."""
        ...

    def load(self, service: str, pour: Pour) -> None:
        """All of a dump or nothing, in place of all that the database holds. Raises RestoreError."""
        ...
