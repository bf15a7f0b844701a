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
        if key.id in self._rows or any(key.digest == other.key.digest for other in self._rows.values()):
            raise AccessError(f"a key with the id {key.id} exists", hint="create it again")
        for other in self._rows.values():
            if (other.key.tenant, other.key.name) == (key.tenant, key.name) and _live(other, at=row.created):
                raise KeyNameTaken(
                    f"tenant {key.tenant} has a live key named {key.name}",
                    hint=f"choose another name, or revoke {other.key.id} first",
                    place="name",
                )
        self._rows[key.id] = row

    async def revoke(self, key_id: str, *, at: float) -> KeyRow:
        row = self._rows.get(key_id)
        if row is None or row.revoked is not None:
            raise KeyNotFound(f"no live key has the id {key_id}", hint="see modelwright keys list")
        self._rows[key_id] = revoked = msgspec.structs.replace(row, revoked=at)
        return revoked

    async def list(self) -> list[KeyRow]:
        return sorted(self._rows.values(), key=lambda row: (row.created, row.key.id), reverse=True)


def _live(row: KeyRow, *, at: float) -> bool:
    return row.revoked is None and (row.key.expires is None or row.key.expires > at)
