"""One row of the ledger as a database takes it: the one hot statement, and its values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any

import msgspec
from sqlalchemy import JSON, Dialect, String, Table, text
from sqlalchemy.dialects import postgresql, sqlite

from modelwright.adapters.stores.tables import ledger
from modelwright.core.contracts.ledger import LedgerRow

FIELDS = LedgerRow.__struct_fields__
NUL, SHOWN = "\0", "\u2400"
"""PostgreSQL keeps no NUL in a text: it becomes the sign for it, in every database alike."""

_TAGS = FIELDS.index("tags")
_GUARDS = FIELDS.index("guards")
_NUL = b"\\u0000"
_in_columns = itemgetter(*((*FIELDS, "writer").index(column.name) for column in ledger.c))
"""From the order of the row's fields to that of the columns, in which the one hot statement takes them."""
_REPLACES = text(
    "excluded.outcome <> 'intent' AND ledger.outcome IN ('intent', 'unresolved')"
    " OR excluded.outcome = 'intent' AND ledger.outcome = 'intent' AND excluded.attempts > ledger.attempts"
)


class Upsert:
    """As text: handing the driver tuples costs the half of what SQLAlchemy's own parameters cost."""

    def __init__(self, dialect: Dialect, insert: Callable[[Table], Any]) -> None:
        new = insert(ledger).values(dict.fromkeys((*FIELDS, "writer")))
        statement = new.on_conflict_do_update(
            index_elements=["call"],
            set_={column.name: new.excluded[column.name] for column in ledger.c if column.name != "call"},
            where=_REPLACES,
        )
        self._whole_columns = dialect.name == "postgresql"
        spoken = postgresql.asyncpg.dialect() if self._whole_columns else sqlite.dialect(paramstyle="qmark")
        compiled = statement.compile(dialect=spoken)
        if tuple(compiled.positiontup or ()) != tuple(column.name for column in ledger.c):
            raise AssertionError("the ledger's columns and the row's fields differ")
        self.statement = _by_columns(str(compiled), spoken) if self._whole_columns else str(compiled)

    def parameters(self, rows: Iterable[LedgerRow], writer: str) -> Any:
        """Of at least one row: a tuple for each, or a list for each column where the statement takes these."""
        values = [self._values(row, writer) for row in rows]
        return tuple(map(list, zip(*values, strict=True))) if self._whole_columns else values

    def _values(self, row: LedgerRow, writer: str) -> tuple[Any, ...]:
        values = [*msgspec.structs.astuple(row), writer]
        values[_TAGS] = _document(row.tags)
        values[_GUARDS] = _document(row.guards)
        return _in_columns([plain(value) if isinstance(value, str) else value for value in values])


def _by_columns(statement: str, dialect: Dialect) -> str:
    """One statement for any number of rows: one per row would cost PostgreSQL three times as much."""
    head, _, rest = statement.partition(" VALUES ")
    given: list[str] = []
    taken: list[str] = []
    for number, column in enumerate(ledger.c, start=1):
        is_text = isinstance(column.type, String | JSON)
        given.append(f"${number}::{'TEXT' if is_text else column.type.compile(dialect)}[]")
        taken.append(f"c{number}::json" if isinstance(column.type, JSON) else f"c{number}")
    names = ", ".join(name.removesuffix("::json") for name in taken)
    _, conflict, end = rest.partition(" ON CONFLICT ")
    rows = f"unnest({', '.join(given)}) AS given ({names})"
    return f"{head} SELECT {', '.join(taken)} FROM {rows}{conflict}{end}"  # noqa: S608 - names of ours


def plain(text_value: str) -> str:
    """As every database can keep it."""
    return text_value.replace(NUL, SHOWN) if NUL in text_value else text_value


def _document(content: Mapping[str, Any]) -> str:
    encoded = msgspec.json.encode(content)
    return msgspec.json.encode(deep(content)).decode() if _NUL in encoded else encoded.decode()


def deep(value: Any) -> Any:
    """Likewise, of all texts in it."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {deep(name): deep(each) for name, each in value.items()}
    return [deep(each) for each in value] if isinstance(value, list | tuple) else value
