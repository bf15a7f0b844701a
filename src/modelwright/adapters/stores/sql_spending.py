"""What the ledger says was used since a moment, by whom; sums in the database, since rows may be many."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Dialect, case, func, literal, select

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.sql_money import sum_of_units
from modelwright.adapters.stores.tables import ledger
from modelwright.core.contracts.ledger import COMPARED, JUDGED, VECTOR

_SUBJECTS: dict[str, tuple[ColumnElement[Any], ...]] = {
    "tenant": (ledger.c.tenant,),
    "key": (ledger.c.key,),
    "user": (ledger.c.tenant, case((ledger.c.user == "", ledger.c.key), else_=ledger.c.user)),
    "endpoint": (ledger.c.endpoint,),
}
"""Addresses are in no row."""


class SqlSpending:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(
        self, begins: float, *, by: str, of: str, currency: str = "", width: int = 0
    ) -> list[tuple[str, int, int]]:
        """(subject, slot, amount) of `of` requests | tokens | cost, from Unix seconds on; empty for what no row tells.

        A slot is so many seconds wide, counted from 1970 on; without a width all is in slot 0.
        """
        subjects = _SUBJECTS.get(by)
        if subjects is None:
            return []
        slot = func.round(ledger.c.at / width - 0.5) if width else literal(0)  # there is no floor everywhere
        wanted = select(*subjects, slot, _amount(of, self._database.dialect)).where(
            ledger.c.call >= first_call(begins), ledger.c.at >= begins
        )
        wanted = wanted.where(ledger.c.shadow_of == "")  # nobody asked for it, so nobody's limit holds it
        for mark in (VECTOR, COMPARED, JUDGED):  # nor these, nor their attempts
            wanted = wanted.where(ledger.c.call.not_like(f"%.{mark}%"))
        if of == "requests":
            wanted = wanted.where(ledger.c.attempt_of == "", ledger.c.outcome != "refused")
        if of == "cost":
            wanted = wanted.where(ledger.c.currency == currency)
        async with self._database.reader.connect() as connection:
            rows = await connection.execute(wanted.group_by(*subjects, *([slot] if width else [])))
            return [("\0".join(whose), int(at), int(used)) for *whose, at, used in map(tuple[Any, ...], rows) if used]


def _amount(of: str, dialect: Dialect) -> ColumnElement[Any]:
    if of == "requests":
        return func.count()
    if of == "tokens":
        return func.sum(func.coalesce(ledger.c.input_tokens, 0) + func.coalesce(ledger.c.output_tokens, 0))
    # What is not known is charged at its reservation.
    return sum_of_units(func.coalesce(ledger.c.cost, func.nullif(ledger.c.reserved, ""), "0"), dialect)


def first_call(at: float) -> str:
    """No id of a call that came at this time or later is below: they begin with the time in milliseconds."""
    digits = f"{max(0, int(at * 1000)):012x}"
    return f"{digits[:8]}-{digits[8:]}"
