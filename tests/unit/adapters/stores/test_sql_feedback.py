"""Feedback in the database: once per call and name, never across tenants, joined to what was answered."""

import msgspec
import pytest

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.sql_feedback import SqlVariants
from modelwright.adapters.stores.sql_ledger import SqlLedger
from modelwright.core.contracts.feedback import Feedback
from modelwright.core.contracts.ledger import LedgerRow


def row(call: str, **fields: object) -> LedgerRow:
    known = LedgerRow(call=call, at=100.0, operation="chat", endpoint="e", variant="a", tenant="one", outcome="ok")
    return msgspec.structs.replace(known, **fields)


def said(call: str, score: float, **fields: object) -> Feedback:
    return msgspec.structs.replace(Feedback(call=call, tenant="one", score=score, at=100.0), **fields)


class Kept:
    """Lines as the spool brings them."""

    def __init__(self, ledger: SqlLedger, variants: SqlVariants) -> None:
        self.variants = variants
        self._ledger = ledger
        self._offset = 0

    async def take(self, *lines: LedgerRow | Feedback) -> None:
        self._offset += 1
        await self._ledger.apply(
            [line for line in lines if isinstance(line, LedgerRow)],
            said=[line for line in lines if isinstance(line, Feedback)],
            file="f.jsonl",
            writer="w",
            offset=self._offset,
            refuse=lambda refused: pytest.fail(str(refused)),
        )

    async def scores(self) -> dict[str, float | None]:
        found = await self.variants.seen("e", since=0, limit=100)
        return {seen.variant: seen.score for seen in found}


@pytest.fixture
def kept(ledger: SqlLedger, database: Database) -> Kept:
    return Kept(ledger, SqlVariants(database))


async def test_the_newest_word_counts_whatever_the_order(kept: Kept) -> None:
    await kept.take(row("1"), said("1", 0.0, at=5.0))
    await kept.take(said("1", 1.0, at=9.0))
    await kept.take(said("1", 0.2, at=7.0))
    assert await kept.scores() == {"a": 1.0}
    (only,) = await kept.variants.comments("1", tenant="one")
    assert only["score"] == 1.0


async def test_said_twice_is_said_once_and_names_are_apart(kept: Kept) -> None:
    await kept.take(row("1"), said("1", 1.0), said("1", 1.0), said("1", 0.0, name="reviewer"))
    assert await kept.scores() == {"a": 0.5}


async def test_another_tenant_has_no_say(kept: Kept) -> None:
    await kept.take(row("1"), said("1", 0.0, tenant="two"))
    assert await kept.scores() == {"a": None}
    await kept.take(said("1", 1.0))
    assert await kept.scores() == {"a": 1.0}


async def test_feedback_may_come_before_its_row(kept: Kept) -> None:
    await kept.take(said("1", 1.0))
    await kept.take(row("1"))
    assert await kept.scores() == {"a": 1.0}


async def test_only_ended_calls_of_the_period_are_seen_the_newest_first(kept: Kept) -> None:
    await kept.take(row("1", at=1.0), row("2", at=50.0), row("3", at=60.0, outcome="intent"), row("4", at=70.0))
    found = await kept.variants.seen("e", since=40.0, limit=100)
    assert len(found) == 2
    assert len(await kept.variants.seen("e", since=0.0, limit=1)) == 1
    assert await kept.variants.seen("other", since=0.0, limit=9) == []
