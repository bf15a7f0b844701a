"""Copies what one database holds into another: whole, or nothing of it; what is there already stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import LargeBinary, Table, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.sql_ledger import UNRESOLVED
from modelwright.adapters.stores.sql_ledger_row import deep
from modelwright.adapters.stores.tables import (
    feedback,
    keys,
    ledger,
    registry_contents,
    registry_history,
    task_contents,
    tasks,
)

PAGE = 2000
"""Rows in memory at a time."""
FEW = 8
"""Likewise of a table with contents, which may be as long as a task's answer."""
_LINE = tuple_(registry_history.c.kind, registry_history.c.line)
Change = Callable[[dict[str, Any]], dict[str, Any] | None]
"""A row as it goes in; None: it does not."""


async def copy_all(source: Database, target: Database) -> dict[str, int]:
    """How many rows of each table went in; neither database may be written by others meanwhile. Raises DBAPIError.

    Calls that were open are unresolved from now on: their outcomes, if they lie in a spool, still count.
    """
    async with source.reader.connect() as reading, target.alone("keys") as writing:
        mark = await writing.scalar(select(func.coalesce(func.max(keys.c.changed), 0) + 1))
        lines = {tuple(line) for line in await writing.execute(select(_LINE.clauses[0], _LINE.clauses[1]).distinct())}
        changes: dict[Table, Change] = {
            keys: lambda row: {**row, "changed": mark},
            ledger: lambda row: {**row, "outcome": UNRESOLVED} if row["outcome"] == "intent" else row,
            feedback: dict,
            registry_contents: dict,
            registry_history: lambda row: None if (row["kind"], row["line"]) in lines else row,
            tasks: dict,
            task_contents: dict,
        }
        copy = _Copy(reading, writing, target)
        return {table.name: await copy.table(table, change) for table, change in changes.items()}


class _Copy:
    """From one connection to another."""

    def __init__(self, reading: AsyncConnection, writing: AsyncConnection, target: Database) -> None:
        self._reading = reading
        self._writing = writing
        self._target = target

    async def table(self, table: Table, change: Change) -> int:
        """How many rows went in."""
        before = await self._count(table)
        new = self._target.insert(table).on_conflict_do_nothing()
        most = FEW if any(isinstance(column.type, LargeBinary) for column in table.columns) else PAGE
        found = await self._reading.stream(select(table), execution_options={"yield_per": most})
        async for page in found.partitions():
            rows = [row for each in page if (row := change(deep(dict(each._mapping)))) is not None]  # noqa: SLF001 - SQLAlchemy's public name
            if rows:
                await self._writing.execute(new, rows)
        return await self._count(table) - before

    async def _count(self, table: Table) -> int:
        return await self._writing.scalar(select(func.count()).select_from(table)) or 0
