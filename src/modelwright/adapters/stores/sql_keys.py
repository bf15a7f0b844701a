"""The key store over SQL."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, and_, case, insert, or_, select, update
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
        same = select(keys.c.id).where(keys.c.tenant == key.tenant, keys.c.name == key.name, _live(row.created))
        try:
            async with self._database.writer.begin() as connection:
                holder = await connection.scalar(same)
                if holder is not None:
                    raise KeyNameTaken(
                        f"tenant {key.tenant} has a live key named {key.name}",
                        hint=f"choose another name, or revoke {holder} first",
                        place="name",
                    )
                await connection.execute(insert(keys).values(_values(row)))
        except IntegrityError as error:
            raise AccessError(f"a key with the id {key.id} exists", hint="create it again") from error

    async def replace(self, key_id: str, successor: KeyRow, *, until: float) -> KeyRow:
        expires = case((keys.c.expires < until, keys.c.expires), else_=until)
        change = (
            update(keys)
            .where(keys.c.id == key_id, _live(successor.created))
            .values(expires=expires, successor=case((keys.c.successor == "", successor.key.id), else_=keys.c.successor))
            .returning(keys)
        )
        try:
            async with self._database.writer.begin() as connection:
                found = (await connection.execute(change)).first()
                if found is None:
                    raise KeyNotFound(f"no live key has the id {key_id}", hint="see modelwright keys list")
                if found.successor != successor.key.id:
                    hint = f"rotate its successor, {found.successor}"
                    raise AccessError(f"key {key_id} was rotated already", hint=hint)
                await connection.execute(insert(keys).values(_values(successor)))
        except IntegrityError as error:
            raise AccessError(f"a key with the id {successor.key.id} exists", hint="create it again") from error
        return _row(found)

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


def _live(at: float) -> ColumnElement[bool]:
    return and_(keys.c.revoked.is_(None), or_(keys.c.expires.is_(None), keys.c.expires > at))


def _values(row: KeyRow) -> dict[str, Any]:
    key = msgspec.structs.asdict(row.key)
    return {**key, "created": row.created, "revoked": row.revoked, "successor": row.successor}


def _row(row: Row[Any]) -> KeyRow:
    fields = row._asdict()
    own = {name: fields.pop(name) for name in ("created", "revoked", "successor")}
    return KeyRow(key=Key(**{**fields, "endpoints": tuple(fields["endpoints"])}), **own)
