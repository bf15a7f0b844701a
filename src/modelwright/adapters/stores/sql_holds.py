"""What the hosts of a database serve, by digest: nobody removes it meanwhile."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, insert, or_, select

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.sql_hosts import GONE
from modelwright.adapters.stores.tables import holds, hosts


class SqlHolds:
    """As one of the hosts sees it; `host` is empty where nobody shares the database."""

    def __init__(self, database: Database, *, host: str) -> None:
        self._database = database
        self._host = host

    async def tell(self, served: Mapping[str, str]) -> None:
        """This is what we serve from now on: digests by model."""
        rows = [{"host": self._host, "model": model, "digest": digest} for model, digest in served.items()]
        async with self._database.writer.begin() as connection:
            await connection.execute(delete(holds).where(holds.c.host == self._host))
            if rows:
                await connection.execute(insert(holds), rows)

    async def of(self, digest: str, *, now: float, ours: bool) -> list[str]:
        """Who serves it, in words; `ours`: we ourselves count, too. Hosts that were not seen for long do not."""
        mine = holds.c.host == self._host
        alive = or_(hosts.c.seen >= now - GONE, mine) if ours else (hosts.c.seen >= now - GONE) & ~mine
        query = (
            select(holds.c.model, holds.c.host, hosts.c.name)
            .select_from(holds.outerjoin(hosts, hosts.c.host == holds.c.host))
            .where(holds.c.digest == digest, alive)
            .order_by(holds.c.model, holds.c.host)
        )
        async with self._database.reader.connect() as connection:
            found = (await connection.execute(query)).all()
        return [
            f"the model {row.model}, which is served" + ("" if row.host == self._host else f" on {row.name}")
            for row in found
        ]
