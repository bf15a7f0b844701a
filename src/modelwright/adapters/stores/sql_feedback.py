"""Feedback over SQL, and what it says of an endpoint's variants together with the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Row, Table, and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.sql_ledger_row import plain
from modelwright.adapters.stores.tables import feedback, ledger
from modelwright.core.contracts.feedback import Feedback
from modelwright.core.experiments.observations import Seen

_FIELDS = ("call", "tenant", "name", "key", "score", "comment", "at")
_SEEN = tuple(name for name in Seen.__struct_fields__ if name != "score")


async def keep_feedback(
    connection: AsyncConnection, said: Sequence[Feedback], *, insert: Callable[[Table], Any]
) -> None:
    """The newest word of a kind on a call counts, in whichever order they arrive; saying it twice changes nothing."""
    if not said:
        return
    new = insert(feedback)
    statement = new.on_conflict_do_update(
        index_elements=["call", "tenant", "name"],
        set_={name: new.excluded[name] for name in ("key", "score", "comment", "at")},
        where=new.excluded.at >= feedback.c.at,
    )
    await connection.execute(statement, [_values(one) for one in sorted(said, key=_own_key)])


class SqlVariants:
    """Reads what variants are compared by."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def seen(self, endpoint: str, *, since: float, limit: int) -> list[Seen]:
        """Ended calls of an endpoint since then (Unix seconds), the newest `limit`, with their tenant's feedback."""
        judged = (
            select(feedback.c.call, feedback.c.tenant, func.avg(feedback.c.score).label("score"))
            .group_by(feedback.c.call, feedback.c.tenant)
            .subquery()
        )
        wanted = (
            select(*(ledger.c[name] for name in _SEEN), judged.c.score)
            .select_from(
                ledger.outerjoin(judged, and_(judged.c.call == ledger.c.call, judged.c.tenant == ledger.c.tenant))
            )
            .where(ledger.c.endpoint == endpoint, ledger.c.at >= since, ledger.c.outcome != "intent")
            .where(ledger.c.variant != "")
            .order_by(ledger.c.call.desc())
            .limit(limit)
        )
        async with self._database.reader.connect() as connection:
            return [_seen(row) for row in await connection.execute(wanted)]

    async def comments(self, call: str, *, tenant: str) -> list[dict[str, Any]]:
        """What this tenant said of a call, the newest first."""
        wanted = select(feedback).where(feedback.c.call == call, feedback.c.tenant == tenant)
        async with self._database.reader.connect() as connection:
            found = await connection.execute(wanted.order_by(feedback.c.at.desc()))
            return [dict(row._mapping) for row in found]  # noqa: SLF001 - SQLAlchemy's public name


def _own_key(said: Feedback) -> tuple[str, str, str]:
    return said.call, said.tenant, said.name


def _values(said: Feedback) -> dict[str, Any]:
    values = {name: getattr(said, name) for name in _FIELDS}
    return {name: plain(value) if isinstance(value, str) else value for name, value in values.items()}


def _seen(row: Row[Any]) -> Seen:
    return Seen(**row._mapping)  # noqa: SLF001 - as above
