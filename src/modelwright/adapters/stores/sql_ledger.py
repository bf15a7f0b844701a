"""The ledger over SQL: rows go in once each, whatever is repeated; sums and lists come out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, delete, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.row_faults import ROW_FAULTS, is_row_fault
from modelwright.adapters.stores.sql_feedback import keep_feedback
from modelwright.adapters.stores.sql_ledger_row import FIELDS, Upsert
from modelwright.adapters.stores.sql_money import money_of, money_sums
from modelwright.adapters.stores.sql_spending import first_call
from modelwright.adapters.stores.tables import ledger, spool_offsets
from modelwright.core.contracts.feedback import Feedback
from modelwright.core.contracts.ledger import LedgerRow

UNRESOLVED = "unresolved"

_COUNTS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
Refuse = Callable[[list[LedgerRow | Feedback]], object]
"""Takes what no database can hold, before the others are committed."""
_Line = TypeVar("_Line", LedgerRow, Feedback)


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one endpoint, variant, outcome and currency; unknown token counts add nothing."""

    endpoint: str
    variant: str
    outcome: str
    currency: str
    """Empty where nothing was charged and nothing reserved."""
    calls: int
    cost: str
    """Exact decimal: what the calls have cost, and what the unresolved ones had reserved."""
    unpriced: int
    """Calls, and failed attempts, of which neither is known; they add nothing to the cost."""
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int


class SqlLedger:
    """Rows and, in the same transactions, how far each spool file was read."""

    def __init__(self, database: Database, *, host: str = "") -> None:
        """`host` where several share the database: whose spool a row came from is told by it."""
        self._database = database
        self._upsert = Upsert(database.dialect, database.insert)
        self._own = f"{host}/" if host else ""

    async def offsets(self) -> dict[str, int]:
        """Bytes of each of our spool files whose rows are here."""
        own = select(spool_offsets.c.file, spool_offsets.c.offset).where(spool_offsets.c.file.startswith(self._own))
        async with self._database.reader.connect() as connection:
            found = await connection.execute(own)
            return {row.file.removeprefix(self._own): row.offset for row in found}

    async def apply(
        self,
        rows: Sequence[LedgerRow],
        *,
        said: Sequence[Feedback] = (),
        file: str,
        writer: str,
        offset: int,
        refuse: Refuse,
    ) -> None:
        """Take rows in and note that `file` is done up to `offset`.

        An outcome replaces an intent and an unresolved row; nothing replaces an outcome. A later intent of the same
        call, before its next attempt, replaces the one before. What no database can hold goes to `refuse` before
        the others are committed. Raises SQLAlchemy's DBAPIError or StartError, with nothing changed, when
        the database is locked, full, damaged or away.
        """
        try:
            async with self._database.writer.begin() as connection:
                await self._write(connection, rows, writer=writer)
                await keep_feedback(connection, said, insert=self._database.insert)
                await self._note(connection, file=file, offset=offset)
        except ROW_FAULTS as error:
            if not is_row_fault(error):
                raise
            await self._apply_each(rows, said=said, file=file, writer=writer, offset=offset, refuse=refuse)

    async def finish(self, file: str, *, writer: str, last: bool) -> int:
        """Forget a file that was read to its end; with the `last` one of a writer its open intents become unresolved.

        Returns how many did.
        """
        async with self._database.writer.begin() as connection:
            await connection.execute(delete(spool_offsets).where(spool_offsets.c.file == self._own + file))
            return await resolve(connection, {self._own + writer}) if last else 0

    async def resolve_lost(self, writers: Collection[str]) -> int:
        """Open intents of our writers that have no file any more become unresolved; returns how many did."""
        known = {self._own + writer for writer in writers}
        ours = select(ledger.c.writer).where(_OPEN, ledger.c.writer.startswith(self._own)).distinct()
        async with self._database.writer.begin() as connection:
            lost = set(await connection.scalars(ours)) - known
            return await resolve(connection, lost)

    async def newest(
        self, *, limit: int, call: str | None = None, tenant: str | None = None, outcome: str | None = None
    ) -> list[LedgerRow]:
        """Rows that match, the newest call first; those of a call are its own and those of its attempts."""
        wanted: Select[Any] = select(*(ledger.c[name] for name in FIELDS)).order_by(ledger.c.call.desc()).limit(limit)
        if call is not None:
            wanted = wanted.where(or_(ledger.c.call == call, ledger.c.attempt_of == call))
        for column, value in ((ledger.c.tenant, tenant), (ledger.c.outcome, outcome)):
            if value is not None:
                wanted = wanted.where(column == value)
        async with self._database.reader.connect() as connection:
            return [LedgerRow(**row._mapping) for row in await connection.execute(wanted)]  # noqa: SLF001 - SQLAlchemy's public name

    async def totals(self, *, tag: tuple[str, str] | None = None, begins: float = 0.0) -> list[Total]:
        """Counts and sums over the ledger, by endpoint, variant, outcome and currency.

        With a `tag`, of the calls that carry it; from Unix seconds on. An attempt that another one followed is no
        call, but its tokens and its cost count where they were spent.
        """
        by = (ledger.c.endpoint, ledger.c.variant, ledger.c.outcome, ledger.c.currency)
        sums = [func.coalesce(func.sum(ledger.c[name]), 0).label(name) for name in _COUNTS]
        unpriced = func.count().filter(_CHARGED.is_(None), ledger.c.outcome != "intent").label("unpriced")
        money = money_sums(_CHARGED, self._database.dialect)
        wanted = select(*by, func.sum(_IS_CALL).label("calls"), *sums, *money, unpriced)
        if begins:
            wanted = wanted.where(ledger.c.call >= first_call(begins), ledger.c.at >= begins)
        if tag is not None:
            wanted = wanted.where(ledger.c.tags[tag[0]].as_string() == tag[1])
        async with self._database.reader.connect() as connection:
            found = await connection.execute(wanted.group_by(*by).order_by(*by))
            return [_total(dict(row._mapping)) for row in found]  # noqa: SLF001 - as above

    async def _apply_each(
        self,
        rows: Sequence[LedgerRow],
        *,
        said: Sequence[Feedback],
        file: str,
        writer: str,
        offset: int,
        refuse: Refuse,
    ) -> None:
        async with self._database.writer.begin() as connection:

            async def write(some: Sequence[LedgerRow]) -> None:
                await self._write(connection, some, writer=writer)

            async def keep(some: Sequence[Feedback]) -> None:
                await keep_feedback(connection, some, insert=self._database.insert)

            refused = await _without_bad_ones(connection, _latest(rows), write)
            unsaid = await _without_bad_ones(connection, said, keep)
            await self._note(connection, file=file, offset=offset)
            if refused or unsaid:
                refuse([*refused, *unsaid])

    async def _write(self, connection: AsyncConnection, rows: Sequence[LedgerRow], *, writer: str) -> None:
        if rows:
            values = self._upsert.parameters(_latest(rows), self._own + writer)
            await connection.exec_driver_sql(self._upsert.statement, values)

    async def _note(self, connection: AsyncConnection, *, file: str, offset: int) -> None:
        new = self._database.insert(spool_offsets).values(file=self._own + file, offset=offset)
        await connection.execute(new.on_conflict_do_update(index_elements=["file"], set_={"offset": offset}))


async def _without_bad_ones(
    connection: AsyncConnection, lines: Sequence[_Line], write: Callable[[Sequence[_Line]], Awaitable[None]]
) -> list[_Line]:
    """Write all but those that no database can hold: half and half again, so that one of many costs few statements."""
    if not lines:
        return []
    try:
        async with connection.begin_nested():
            await write(lines)
    except ROW_FAULTS as error:
        if not is_row_fault(error):
            raise
        if len(lines) == 1:
            return list(lines)
        middle = len(lines) // 2
        before = await _without_bad_ones(connection, lines[:middle], write)
        return before + await _without_bad_ones(connection, lines[middle:], write)
    return []


def _latest(rows: Iterable[LedgerRow]) -> list[LedgerRow]:
    """One row per call: its first outcome, otherwise its last intent. Most begin and end within one read.

    In order of their calls: two hosts that write the same rows wait for each other, and never in a circle.
    """
    found: dict[str, LedgerRow] = {}
    for row in rows:
        known = found.get(row.call)
        if known is None or known.outcome == "intent":
            found[row.call] = row
    return [found[call] for call in sorted(found)]


def _total(values: dict[str, Any]) -> Total:
    cost = money_of(values)
    for name in _COUNTS:
        values[name] = int(values[name])
    return Total(**values, cost=cost)


async def resolve(connection: AsyncConnection, writers: Collection[str]) -> int:
    """Open intents of these writers become unresolved; how many did."""
    change = update(ledger).where(_OPEN, ledger.c.writer.in_(writers)).values(outcome=UNRESOLVED)
    return (await connection.execute(change)).rowcount


_CHARGED: ColumnElement[str | None] = case(
    (ledger.c.outcome == UNRESOLVED, func.nullif(ledger.c.reserved, "")), else_=ledger.c.cost
)
_OPEN = text("ledger.outcome = 'intent'")
_IS_CALL = case((and_(ledger.c.attempt_of == "", ledger.c.shadow_of == ""), 1), else_=0)
