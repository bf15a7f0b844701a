"""Exact sums of decimals that stand in a table as text, in the words of each database; it reads nothing itself."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Dialect, Double, Label, Numeric, case, cast, func, literal_column

from modelwright.core.prices import UNIT, money

_UNIT = literal_column(str(UNIT))
_DECIMAL = literal_column("'^-?[0-9]+(?:[.][0-9]*)?$'")
"""A text that is none counts as nothing, as it does in SQLite; PostgreSQL would refuse the whole sum for it."""


def money_sums(column: ColumnElement[str | None], dialect: Dialect) -> tuple[Label[Any], ...]:
    """What `money_of` makes the exact sum of."""
    if dialect.name == "postgresql":
        return (func.coalesce(func.sum(_units(column)), 0).label("units"),)
    # Of what is before the point and of two times six digits after: the whole number of units would pass 64 bits at
    # nine million dollars.
    point = func.instr(column, ".")
    whole = case((point > 0, func.substr(column, 1, point - 1)), else_=column)
    digits = case((point > 0, func.substr(func.substr(column, point + 1) + "000000000000", 1, 12)), else_="0")
    parts = {"whole": whole, "upper": func.substr(digits, 1, 6), "lower": func.substr(digits, 7, 6)}
    return tuple(func.coalesce(func.sum(cast(part, BigInteger)), 0).label(name) for name, part in parts.items())


def money_of(values: dict[str, Any]) -> str:
    """The exact decimal; what it is made of is taken out of the row."""
    if "units" in values:
        return money(int(values.pop("units")))
    return money(values.pop("whole") * UNIT + values.pop("upper") * 10**6 + values.pop("lower"))


def sum_of_units(column: ColumnElement[str | None], dialect: Dialect) -> ColumnElement[Any]:
    """Of amounts of single rows."""
    if dialect.name == "postgresql":
        return func.sum(_units(column))
    # A row's own amount comes through a float whole: it has 15 digits.
    return func.sum(cast(func.round(cast(column, Double) * UNIT), BigInteger))


def _units(column: ColumnElement[str | None]) -> ColumnElement[Any]:
    """PostgreSQL's numbers have as many digits as it takes."""
    return func.trunc(cast(func.substring(column, _DECIMAL), Numeric) * _UNIT)
