"""Numbers that only go up, over SQL."""

from __future__ import annotations

from sqlalchemy import BigInteger, case, literal

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.tables import serials


class SqlSerials:
    """Each name has a series of its own."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def next(self, name: str, above: int = 0) -> int:
        """The next number of a series, and past `above`: a database that was restored from a backup is behind."""
        least = literal(above, BigInteger)
        highest = case((serials.c.value > least, serials.c.value), else_=least)
        new = self._database.insert(serials).values(name=name, value=above + 1)
        higher = new.on_conflict_do_update(index_elements=["name"], set_={"value": highest + 1})
        async with self._database.writer.begin() as connection:
            return (await connection.execute(higher.returning(serials.c.value))).scalar_one()
