"""The key store over SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.tables import keys
from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors import AccessError, KeyNameTaken, KeyNotFound
from modelwright.core.ports.stores import KeyRow


class SqlKeyStore:
    """Writes are serial (one transaction owns the database), so looking before adding is safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, row: KeyRow) -> None:
        key = row.key
        live = and_(keys.c.revoked.is_(None), or_(keys.c.expires.is_(None), keys.c.expires > row.created))
        same = select(keys.c.id).where(keys.c.tenant == key.tenant, keys.c.name == key.name, live)
        values = {
            "id": key.id,
            "digest": key.digest,
            "name": key.name,
            "tenant": key.tenant,
            "role": key.role,
            "created": row.created,
            "expires": key.expires,
            "revoked": row.revoked,
        }
        try:
            async with self._database.writer.begin() as connection:
                holder = await connection.scalar(same)
                if holder is not None:
                    raise KeyNameTaken(
                        f"tenant {key.tenant} has a live key named {key.name}",
                        hint=f"choose another name, or revoke {holder} first",
                        place="name",
                    )
                await connection.execute(insert(keys).values(values))
        except IntegrityError as error:
            raise AccessError(f"a key with the id {key.id} exists", hint="create it again") from error

    async def revoke(self, key_id: str, *, at: float) -> KeyRow:
        change = update(keys).where(keys.c.id == key_id, keys.c.revoked.is_(None)).values(revoked=at).returning(keys)
        async with self._database.writer.begin() as connection:
            found = (await connection.execute(change)).first()
        if found is None:
            raise KeyNotFound(f"no live key has the id {key_id}", hint="see modelwright keys list")
        return _row(found)

    async def list(self) -> list[KeyRow]:
        async with self._database.reader.connect() as connection:
            found = await connection.execute(select(keys).order_by(keys.c.created.desc(), keys.c.id.desc()))
            return [_row(row) for row in found]


def _row(row: Row[Any]) -> KeyRow:
    key = Key(id=row.id, digest=row.digest, name=row.name, tenant=row.tenant, role=row.role, expires=row.expires)
    return KeyRow(key=key, created=row.created, revoked=row.revoked)
