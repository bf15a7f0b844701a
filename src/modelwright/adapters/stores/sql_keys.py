"""The key store over SQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, String, and_, case, cast, func, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncResult

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.tables import keys, serials
from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors.access import AccessError, KeyNameTaken, KeyNotFound
from modelwright.core.ports.stores import KeyDump, KeyRow

PAGE = 10_000
"""Keys that are in memory at a time while all are read."""
_ADMINS = text("role = 'admin'")  # as it stands in the index of admins, which a parameter would not meet
_TABLE = "key_table"
"""Among the serials, though it does not go up: see KeyLog."""
_SORTED = keys.c.digest.concat("")
"""Read as they lie and sorted then: in the order of their index each key would be looked up by itself."""
_LOCK = "keys"
_MARK = select(func.max(keys.c.changed))
_NEXT = select(func.coalesce(func.max(keys.c.changed), 0) + 1).scalar_subquery()


class SqlKeyStore:
    """Writes are serial, so looking before adding is safe, and marks go up in the order in which others see them."""

    def __init__(self, database: Database, *, host: str = "") -> None:
        """`host` where several share the database: each has a table of its own."""
        self._database = database
        self._table = f"{_TABLE}:{host}" if host else _TABLE

    async def add(self, row: KeyRow) -> None:
        key = row.key
        same = select(keys.c.id).where(keys.c.tenant == key.tenant, keys.c.name == key.name, _live(row.created))
        try:
            async with self._database.alone(_LOCK) as connection:
                holder = await connection.scalar(same)
                if holder is not None:
                    raise KeyNameTaken(
                        f"tenant {key.tenant} has a live key named {key.name}",
                        hint=f"choose another name, or revoke {holder} first",
                        place="name",
                    )
                await connection.execute(insert(keys).values({**_values(row), "changed": _NEXT}))
        except IntegrityError as error:
            raise AccessError(f"a key with the id {key.id} exists", hint="create it again") from error

    async def replace(self, key_id: str, successor: KeyRow, *, until: float) -> KeyRow:
        expires = case((keys.c.expires < until, keys.c.expires), else_=until)
        heir = case((keys.c.successor == "", successor.key.id), else_=keys.c.successor)
        change = (
            update(keys)
            .where(keys.c.id == key_id, _live(successor.created))
            .values(expires=expires, changed=_NEXT, successor=heir)
            .returning(keys)
        )
        try:
            async with self._database.alone(_LOCK) as connection:
                found = (await connection.execute(change)).first()
                if found is None:
                    raise KeyNotFound(f"no live key has the id {key_id}", hint="see modelwright keys list")
                if found.successor != successor.key.id:
                    hint = f"rotate its successor, {found.successor}"
                    raise AccessError(f"key {key_id} was rotated already", hint=hint)
                await connection.execute(insert(keys).values({**_values(successor), "changed": _NEXT}))
        except IntegrityError as error:
            raise AccessError(f"a key with the id {successor.key.id} exists", hint="create it again") from error
        return _row(found)

    async def revoke(self, key_id: str, *, at: float) -> KeyRow:
        held = update(keys).where(keys.c.id == key_id, keys.c.revoked.is_(None))
        change = held.values(revoked=at, changed=_NEXT).returning(keys)
        async with self._database.alone(_LOCK) as connection:
            found = (await connection.execute(change)).first()
        if found is None:
            raise KeyNotFound(f"no live key has the id {key_id}", hint="see modelwright keys list")
        return _row(found)

    async def list(self, named: str = "", *, most: int | None = None) -> list[KeyRow]:
        query = select(keys).order_by(keys.c.created.desc(), keys.c.id.desc()).limit(most)
        if named:
            query = query.where(or_(keys.c.id == named, keys.c.name == named))
        async with self._database.reader.connect() as connection:
            return [_row(row) for row in await connection.execute(query)]

    async def changes(self, since: int, *, most: int) -> tuple[int, list[KeyRow]] | None:
        changed = select(keys).where(keys.c.changed > since).limit(most + 1)
        admins = select(keys).where(_ADMINS, keys.c.changed <= since)
        async with self._database.reader.connect() as connection:
            mark = await connection.scalar(_MARK)
            rows = (await connection.execute(changed)).all()
            if len(rows) > most:
                return None
            return mark or 0, [_row(row) for row in [*rows, *(await connection.execute(admins))]]

    @asynccontextmanager
    async def dump(self) -> AsyncIterator[KeyDump]:
        held = and_(keys.c.role == "client", keys.c.revoked.is_(None))
        endpoints = cast(keys.c.endpoints, String)  # few texts are decoded, not one per key
        columns = (keys.c.digest, keys.c.id, keys.c.tenant, endpoints, keys.c.expires)
        async with self._database.patient.connect() as connection:
            mark = await connection.scalar(_MARK)
            count = await connection.scalar(select(func.count()).where(held))
            found = await connection.stream(select(*columns).where(held).order_by(_SORTED))
            yield _Dump(mark or 0, count or 0, _pages(found))

    async def table(self) -> int:
        async with self._database.reader.connect() as connection:
            return await connection.scalar(select(serials.c.value).where(serials.c.name == self._table)) or 0

    async def remember_table(self, number: int) -> None:
        new = self._database.insert(serials).values(name=self._table, value=number)
        async with self._database.writer.begin() as connection:
            await connection.execute(
                new.on_conflict_do_update(index_elements=["name"], set_={"value": new.excluded.value})
            )


class _Dump:
    """One read transaction."""

    def __init__(self, mark: int, count: int, pages: AsyncIterator[Sequence[Key]]) -> None:
        self.mark = mark
        self.count = count
        self.pages = pages


async def _pages(found: AsyncResult[Any, Any, Any, Any, Any]) -> AsyncIterator[Sequence[Key]]:
    scope = lru_cache(1000)(lambda content: tuple(msgspec.json.decode(content)))
    async for page in found.partitions(PAGE):
        yield [
            Key(digest=digest, id=key_id, tenant=tenant, endpoints=scope(endpoints), expires=expires)
            for digest, key_id, tenant, endpoints, expires in page
        ]


def _live(at: float) -> ColumnElement[bool]:
    return and_(keys.c.revoked.is_(None), or_(keys.c.expires.is_(None), keys.c.expires > at))


def _values(row: KeyRow) -> dict[str, Any]:
    key = msgspec.structs.asdict(row.key)
    return {**key, "created": row.created, "revoked": row.revoked, "successor": row.successor}


def _row(row: Row[Any]) -> KeyRow:
    fields = row._asdict()
    fields.pop("changed")
    own = {name: fields.pop(name) for name in ("created", "revoked", "successor")}
    return KeyRow(key=Key(**{**fields, "endpoints": tuple(fields["endpoints"])}), **own)
