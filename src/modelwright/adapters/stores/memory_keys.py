"""The fake of the key store: rows in memory, gone with the process."""

from __future__ import annotations

import msgspec

from modelwright.core.errors import AccessError, KeyNameTaken, KeyNotFound
from modelwright.core.ports.stores import KeyRow


class MemoryKeyStore:
    """Keeps rows in the order in which they came."""

    def __init__(self) -> None:
        self._rows: dict[str, KeyRow] = {}

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
        self._rows[key.id] = row

    async def replace(self, key_id: str, successor: KeyRow, *, until: float) -> KeyRow:
        row = self._rows.get(key_id)
        if row is None or not _live(row, at=successor.created):
            raise KeyNotFound(f"no live key has the id {key_id}", hint="see modelwright keys list")
        if row.successor:
            raise AccessError(f"key {key_id} was rotated already", hint=f"rotate its successor, {row.successor}")
        self._check_new(successor)
        expires = until if row.key.expires is None else min(until, row.key.expires)
        key = msgspec.structs.replace(row.key, expires=expires)
        self._rows[key_id] = old = msgspec.structs.replace(row, key=key, successor=successor.key.id)
        self._rows[successor.key.id] = successor
        return old

    async def revoke(self, key_id: str, *, at: float) -> KeyRow:
        row = self._rows.get(key_id)
        if row is None or row.revoked is not None:
            raise KeyNotFound(f"no live key has the id {key_id}", hint="see modelwright keys list")
        self._rows[key_id] = revoked = msgspec.structs.replace(row, revoked=at)
        return revoked

    async def list(self) -> list[KeyRow]:
        return sorted(self._rows.values(), key=lambda row: (row.created, row.key.id), reverse=True)

    def _check_new(self, row: KeyRow) -> None:
        key = row.key
        if key.id in self._rows or any(key.digest == other.key.digest for other in self._rows.values()):
            raise AccessError(f"a key with the id {key.id} exists", hint="create it again")


def _live(row: KeyRow, *, at: float) -> bool:
    return row.revoked is None and (row.key.expires is None or row.key.expires > at)
