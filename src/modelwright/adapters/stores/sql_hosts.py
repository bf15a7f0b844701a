"""The hosts that share a database: what they have agreed on, who was seen, what those that are gone have left."""

from __future__ import annotations

from sqlalchemy import delete, func, select, text

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.sql_ledger import resolve
from modelwright.adapters.stores.tables import (
    agreed,
    holds,
    hosts,
    keys,
    ledger,
    registry_history,
    serials,
    spool_offsets,
)

GONE = 3600.0
"""Seconds without a sign of a host after which what it left open is closed; an outcome that comes later counts."""
_CHANGES = select(
    select(func.max(keys.c.changed)).scalar_subquery(),
    select(func.count()).select_from(registry_history).scalar_subquery(),
)


class SqlHosts:
    """As one of them sees it."""

    def __init__(self, database: Database, *, host: str, name: str = "") -> None:
        self._database = database
        self._host = host
        self._name = name

    async def changes(self) -> tuple[int, int]:
        """Another value whenever somebody has changed what a snapshot is made of."""
        async with self._database.reader.connect() as connection:
            changed, entries = (await connection.execute(_CHANGES)).one()
        return changed or 0, entries

    async def agree(self, name: str, value: str) -> str:
        """What the first host said of it."""
        new = self._database.insert(agreed).values(name=name, value=value)
        async with self._database.writer.begin() as connection:
            await connection.execute(new.on_conflict_do_nothing())
            return str(await connection.scalar(select(agreed.c.value).where(agreed.c.name == name)))

    async def beat(self, now: float) -> tuple[str, ...]:
        """Be seen, and clear up after hosts that were not seen for long; the names of the others (Unix seconds)."""
        new = self._database.insert(hosts).values(host=self._host, name=self._name, seen=now)
        seen = new.on_conflict_do_update(index_elements=["host"], set_={"seen": now, "name": self._name})
        async with self._database.writer.begin() as connection:
            await connection.execute(seen)
            others = (await connection.execute(select(hosts).where(hosts.c.host != self._host))).all()
        for gone in others:
            if gone.seen < now - GONE:
                await self._clear_up(gone.host)
        return tuple(other.name for other in others if other.seen >= now - GONE)

    async def present(self, now: float) -> frozenset[str]:
        """Those that were seen of late (Unix seconds)."""
        seen = select(hosts.c.host).where(hosts.c.seen >= now - GONE)
        async with self._database.reader.connect() as connection:
            return frozenset(await connection.scalars(seen))

    async def _clear_up(self, host: str) -> None:
        async with self._database.alone("hosts") as connection:
            left = select(ledger.c.writer).where(text("ledger.outcome = 'intent'"))
            writers = set(await connection.scalars(left.where(ledger.c.writer.startswith(f"{host}/")).distinct()))
            await resolve(connection, writers)
            await connection.execute(delete(spool_offsets).where(spool_offsets.c.file.startswith(f"{host}/")))
            await connection.execute(delete(serials).where(serials.c.name == f"key_table:{host}"))
            await connection.execute(delete(holds).where(holds.c.host == host))
            await connection.execute(delete(hosts).where(hosts.c.host == host))
