"""The registry's store over SQL: an entry and its document are there together, or neither is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, func, insert, select

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.tables import registry_contents, registry_history
from modelwright.core.errors.registry import NotRegistered
from modelwright.core.ports.registry import Entry

_FIELDS = Entry.__struct_fields__


class SqlRegistryStore:
    """Writes are serial, so counting before adding is safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names(self, kind: str) -> tuple[str, ...]:
        line = registry_history.c.line
        known = select(line).where(registry_history.c.kind == kind).distinct().order_by(line)
        async with self._database.reader.connect() as connection:
            return tuple(await connection.scalars(known))

    async def read(self, kind: str, name: str) -> tuple[Entry, ...]:
        columns = (registry_history.c[field] for field in _FIELDS)
        history = select(*columns).where(*_line(kind, name)).order_by(registry_history.c.number)
        async with self._database.reader.connect() as connection:
            return tuple(_entry(row) for row in await connection.execute(history))

    async def append(self, kind: str, name: str, entry: Entry, *, after: int, content: bytes | None = None) -> bool:
        values: dict[str, Any] = {field: getattr(entry, field) for field in _FIELDS}
        count = select(func.count()).select_from(registry_history).where(*_line(kind, name))
        held = select(registry_contents.c.digest).where(registry_contents.c.digest == entry.to)
        async with self._database.alone("registry") as connection:
            if await connection.scalar(count) != after:
                return False
            if content is not None and await connection.scalar(held) is None:
                await connection.execute(insert(registry_contents).values(digest=entry.to, content=content))
            await connection.execute(insert(registry_history).values(kind=kind, line=name, number=after, **values))
        return True

    async def content(self, digest: str) -> bytes:
        wanted = select(registry_contents.c.content).where(registry_contents.c.digest == digest)
        async with self._database.reader.connect() as connection:
            found: bytes | None = await connection.scalar(wanted)
        if found is None:
            raise NotRegistered(f"the registry holds no {digest}", hint="register it again")
        return found


def _line(kind: str, name: str) -> tuple[Any, Any]:
    return registry_history.c.kind == kind, registry_history.c.line == name


def _entry(row: Row[Any]) -> Entry:
    return Entry(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
