"""The ledger over SQL: rows go in once each, whatever is repeated; sums and lists come out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Label,
    Select,
    and_,
    case,
    cast,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.sql_feedback import keep_feedback
from modelwright.adapters.stores.tables import ledger, spool_offsets
from modelwright.core.contracts.feedback import Feedback
from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.prices import UNIT, money

FIELDS = LedgerRow.__struct_fields__
UNRESOLVED = "unresolved"

ROW_FAULTS = (DataError, IntegrityError, OverflowError, UnicodeError)
"""What a single row can cause; anything else is the database's own trouble."""


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

    def __init__(self, database: Database) -> None:
        self._database = database

    async def offsets(self) -> dict[str, int]:
        """Bytes of each spool file whose rows are here."""
        async with self._database.reader.connect() as connection:
            found = await connection.execute(select(spool_offsets.c.file, spool_offsets.c.offset))
            return {row.file: row.offset for row in found}

    async def apply(
        self,
        rows: Sequence[LedgerRow],
        *,
        said: Sequence[Feedback] = (),
        file: str,
        writer: str,
        offset: int,
        refuse: Callable[[list[LedgerRow]], object],
    ) -> None:
        """Take rows in and note that `file` is done up to `offset`.

        An outcome replaces an intent and an unresolved row; nothing replaces an outcome. A later intent of the same
        call, before its next attempt, replaces the one before. Rows that no database can hold go to `refuse` before
        the others are committed. Raises SQLAlchemy's DBAPIError, with nothing changed, when
        the database is locked, full or damaged.
        """
        try:
            values = [_values(row, writer) for row in _latest(rows)]
            async with self._database.writer.begin() as connection:
                if values:
                    await connection.exec_driver_sql(_UPSERT, values)
                await keep_feedback(connection, said)
                await _note(connection, file=file, offset=offset)
        except ROW_FAULTS:
            await self._apply_each(rows, said=said, file=file, writer=writer, offset=offset, refuse=refuse)

    async def finish(self, file: str, *, writer: str, last: bool) -> int:
        """Forget a file that was read to its end; with the `last` one of a writer its open intents become unresolved.

        Returns how many did.
        """
        async with self._database.writer.begin() as connection:
            await connection.execute(delete(spool_offsets).where(spool_offsets.c.file == file))
            return await _resolve(connection, {writer}) if last else 0

    async def resolve_lost(self, writers: Collection[str]) -> int:
        """Open intents of writers that have no file any more become unresolved; returns how many did."""
        async with self._database.writer.begin() as connection:
            lost = set(await connection.scalars(select(ledger.c.writer).where(_OPEN).distinct())) - set(writers)
            return await _resolve(connection, lost)

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

    async def totals(self) -> list[Total]:
        """Counts and sums over the whole ledger, by endpoint, variant, outcome and currency.

        An attempt that another one followed is no call, but its tokens and its cost count where they were spent.
        """
        by = (ledger.c.endpoint, ledger.c.variant, ledger.c.outcome, ledger.c.currency)
        counts = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
        sums = [func.coalesce(func.sum(ledger.c[name]), 0).label(name) for name in counts]
        unpriced = func.count().filter(_CHARGED.is_(None), ledger.c.outcome != "intent").label("unpriced")
        wanted = select(*by, func.sum(_IS_CALL).label("calls"), *sums, *_money_sums(_CHARGED), unpriced)
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
        refuse: Callable[[list[LedgerRow]], object],
    ) -> None:
        refused: list[LedgerRow] = []
        async with self._database.writer.begin() as connection:
            for row in rows:
                try:
                    await connection.exec_driver_sql(_UPSERT, _values(row, writer))
                except ROW_FAULTS:
                    refused.append(row)
            await keep_feedback(connection, said)
            await _note(connection, file=file, offset=offset)
            if refused:
                refuse(refused)


def _latest(rows: Iterable[LedgerRow]) -> list[LedgerRow]:
    """One row per call: its first outcome, otherwise its last intent. Most begin and end within one read."""
    found: dict[str, LedgerRow] = {}
    for row in rows:
        known = found.get(row.call)
        if known is None or known.outcome == "intent":
            found[row.call] = row
    return list(found.values())


def _values(row: LedgerRow, writer: str) -> tuple[Any, ...]:
    values = [*msgspec.structs.astuple(row), writer]
    values[_TAGS] = msgspec.json.encode(row.tags).decode()
    values[_GUARDS] = msgspec.json.encode(row.guards).decode()
    return _in_columns(values)


def _money_sums(column: ColumnElement[str | None]) -> Iterator[Label[int]]:
    """Exact sums of decimals that stand there as text: of what is before the point and of two times six digits after.

    A sum over the whole number of units would pass 64 bits at nine million dollars.
    """
    point = func.instr(column, ".")
    whole = case((point > 0, func.substr(column, 1, point - 1)), else_=column)
    digits = case((point > 0, func.substr(func.substr(column, point + 1) + "000000000000", 1, 12)), else_="0")
    parts = {"whole": whole, "upper": func.substr(digits, 1, 6), "lower": func.substr(digits, 7, 6)}
    for name, part in parts.items():
        yield func.coalesce(func.sum(cast(part, BigInteger)), 0).label(name)


def _total(values: dict[str, Any]) -> Total:
    units = values.pop("whole") * UNIT + values.pop("upper") * 10**6 + values.pop("lower")
    return Total(**values, cost=money(units))


async def _note(connection: AsyncConnection, *, file: str, offset: int) -> None:
    new = sqlite.insert(spool_offsets).values(file=file, offset=offset)
    await connection.execute(new.on_conflict_do_update(index_elements=["file"], set_={"offset": offset}))


async def _resolve(connection: AsyncConnection, writers: Collection[str]) -> int:
    change = update(ledger).where(_OPEN, ledger.c.writer.in_(writers)).values(outcome=UNRESOLVED)
    return (await connection.execute(change)).rowcount


_TAGS = FIELDS.index("tags")
_GUARDS = FIELDS.index("guards")
_in_columns = itemgetter(*((*FIELDS, "writer").index(column.name) for column in ledger.c))
"""From the order of the row's fields to that of the columns, in which the one hot statement takes them."""
_CHARGED: ColumnElement[str | None] = case(
    (ledger.c.outcome == UNRESOLVED, func.nullif(ledger.c.reserved, "")), else_=ledger.c.cost
)
_OPEN = text("ledger.outcome = 'intent'")
_IS_CALL = case((and_(ledger.c.attempt_of == "", ledger.c.shadow_of == ""), 1), else_=0)
_REPLACES = text(
    "excluded.outcome <> 'intent' AND ledger.outcome IN ('intent', 'unresolved')"
    " OR excluded.outcome = 'intent' AND ledger.outcome = 'intent' AND excluded.attempts > ledger.attempts"
)


def _upsert() -> str:
    """The one hot statement, as text: handing it tuples costs the half of what SQLAlchemy's own parameters cost."""
    new = sqlite.insert(ledger).values(dict.fromkeys((*FIELDS, "writer")))
    statement = new.on_conflict_do_update(
        index_elements=["call"],
        set_={column.name: new.excluded[column.name] for column in ledger.c if column.name != "call"},
        where=_REPLACES,
    )
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"))
    if tuple(compiled.positiontup or ()) != tuple(column.name for column in ledger.c):
        raise AssertionError("the ledger's columns and the row's fields differ")
    return str(compiled)


_UPSERT = _upsert()
