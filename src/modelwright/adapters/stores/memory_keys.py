"""The fake of the key store: rows in memory, gone with the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec

from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors.access import AccessError, KeyNameTaken, KeyNotFound
from modelwright.core.ports.stores import KeyDump, KeyRow


class MemoryKeyStore:
    """Keeps rows in the order in which they came."""

    def __init__(self) -> None:
        self._rows: dict[str, KeyRow] = {}
        self._changed: dict[str, int] = {}
        self._mark = 0
        self._table = 0

    async def add(self, row: KeyRow) -> None:
        key = row.key
        self._check_new(row)
        for other in self._rows.values():
            if (other.key.tenant, other.key.name) == (key.tenant, key.name) and _live(other, at=row.created):
                raise KeyNameTaken(
                    f"tenant {key.tenant} has a live key named {key.name}",
                    hint=f"choose another name, or revoke {other.key.id} first",
                    place="name",
                )
        self._put(row)

    async def replace(self, key_id: str, successor: KeyRow, *, until: float) -> KeyRow:
        row = self._rows.get(key_id)
        if row is None or not _live(row, at=successor.created):
            raise KeyNotFound(f"no live key has the id {key_id}", hint="see modelwright keys list")
        if row.successor:
            raise AccessError(f"key {key_id} was rotated already", hint=f"rotate its successor, {row.successor}")
        self._check_new(successor)
        expires = until if row.key.expires is None else min(until, row.key.expires)
        key = msgspec.structs.replace(row.key, expires=expires)
        old = msgspec.structs.replace(row, key=key, successor=successor.key.id)
        self._put(old)
        self._put(successor)
        return old

    async def revoke(self, key_id: str, *, at: float) -> KeyRow:
        row = self._rows.get(key_id)
        if row is None or row.revoked is not None:
            raise KeyNotFound(f"no live key has the id {key_id}", hint="see modelwright keys list")
        revoked = msgspec.structs.replace(row, revoked=at)
        self._put(revoked)
        return revoked

    async def list(self, named: str = "", *, most: int | None = None) -> list[KeyRow]:
        found = [row for row in self._rows.values() if not named or named in {row.key.id, row.key.name}]
        return sorted(found, key=lambda row: (row.created, row.key.id), reverse=True)[:most]

    async def changes(self, since: int, *, most: int) -> tuple[int, list[KeyRow]] | None:
        changed = [row for row in self._rows.values() if self._changed[row.key.id] > since]
        admins = [row for row in self._rows.values() if row.key.role == "admin" and row not in changed]
        return (self._mark, changed + admins) if len(changed) <= most else None

    @asynccontextmanager
    async def dump(self) -> AsyncIterator[KeyDump]:
        held = [row.key for row in self._rows.values() if row.key.role == "client" and row.revoked is None]
        yield _Dump(self._mark, sorted(held, key=lambda key: key.digest))

    async def table(self) -> int:
        return self._table

    async def remember_table(self, number: int) -> None:
        self._table = number

    def _put(self, row: KeyRow) -> None:
        self._mark += 1
        self._rows[row.key.id] = row
        self._changed[row.key.id] = self._mark

    def _check_new(self, row: KeyRow) -> None:
        key = row.key
        if key.id in self._rows or any(key.digest == other.key.digest for other in self._rows.values()):
            raise AccessError(f"a key with the id {key.id} exists", hint="create it again")


class _Dump:
    """As of one moment."""

    def __init__(self, mark: int, keys: Sequence[Key]) -> None:
        self.mark = mark
        self.count = len(keys)
        self.pages = self._pages(keys)

    async def _pages(self, keys: Sequence[Key]) -> AsyncIterator[Sequence[Key]]:
        for begin in range(0, len(keys), 2):
            yield keys[begin : begin + 2]


def _live(row: KeyRow, *, at: float) -> bool:
    return row.revoked is None and (row.key.expires is None or row.key.expires > at)
