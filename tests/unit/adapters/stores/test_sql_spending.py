"""What the ledger says was used: since a moment, by whom, exact in money."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.sql_ledger import SqlLedger
from modelwright.adapters.stores.sql_spending import SqlSpending, first_call
from modelwright.app.system import SystemClock
from modelwright.core.contracts.ledger import COMPARED, VECTOR, LedgerRow
from modelwright.core.prices import UNIT, read_money, units
from modelwright.gateway.ids import CallIds

NOW = 1_700_000_000.0


def row(number: int, **changes: object) -> LedgerRow:
    at = float(str(changes.get("at", NOW + number)))
    known = LedgerRow(
        call=f"{first_call(at)}-7000-8000-{number:012x}", at=at, operation="chat", endpoint="e", tenant="t", key="k",
        outcome="ok", attempts=1,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(known, name, value)
    return known


async def kept(database: Database, *rows: LedgerRow) -> SqlSpending:
    await SqlLedger(database).apply(rows, file="f", writer="w", offset=1, refuse=list)
    return SqlSpending(database)


def summed(rows: list[tuple[str, int, int]]) -> dict[str, int]:
    """By subject, where there is only one slot."""
    assert {slot for _, slot, _ in rows} <= {0}
    return {subject: amount for subject, _, amount in rows}


async def test_an_hour_is_told_by_its_parts(database: Database) -> None:
    rows = [row(number, at=NOW + seconds, tenant="t") for number, seconds in enumerate((0.5, 99.5, 100.5, 350))]
    spending = await kept(database, *rows)
    first = int(NOW // 100)
    found = await spending.since(NOW, by="tenant", of="requests", width=100)
    assert sorted(found) == [("t", first, 2), ("t", first + 1, 1), ("t", first + 3, 1)]


async def test_money_is_what_calls_cost_and_where_that_is_not_known_their_reservation(database: Database) -> None:
    spending = await kept(
        database,
        row(1, cost="0.1", currency="USD", reserved="9"),
        row(2, cost="0.000000000001", currency="USD", reserved="9"),
        row(3, currency="USD", reserved="0.2", outcome="intent"),
        row(4, currency="USD", reserved="0.3", outcome="unresolved"),
        row(5, cost="5", currency="EUR"),
        row(6, cost="0", currency="", outcome="refused"),
        row(7, cost="7", currency="USD", at=NOW - 1),
        row(8, cost="1", currency="USD", tenant="other"),
    )
    assert summed(await spending.since(NOW, by="tenant", of="cost", currency="USD")) == {
        "t": 6 * UNIT // 10 + 1,
        "other": UNIT,
    }
    assert await spending.since(NOW, by="address", of="cost", currency="USD") == []


async def test_requests_are_calls_that_passed_and_tokens_those_of_every_attempt(database: Database) -> None:
    spending = await kept(
        database,
        row(1, input_tokens=3, output_tokens=4, user="jane"),
        row(2, input_tokens=3, outcome="provider_error"),
        row(3, input_tokens=1, attempt_of="x", outcome="provider_error", user="jane"),
        row(4, outcome="refused", attempts=0, user="jane"),
    )
    assert summed(await spending.since(NOW, by="user", of="requests")) == {"t\0jane": 1, "t\0k": 1}
    assert summed(await spending.since(NOW, by="user", of="tokens")) == {"t\0jane": 8, "t\0k": 3}
    assert summed(await spending.since(NOW, by="endpoint", of="requests")) == {"e": 2}
    assert summed(await spending.since(NOW, by="key", of="requests")) == {"k": 2}


@given(st.integers(0, 4_000 * UNIT))
def test_an_amount_comes_through_a_float_whole(amount: int) -> None:
    text = format(Decimal(amount) / UNIT, "f")
    assert read_money(text) == units(text) == amount == round(float(text) * UNIT) or amount > 2**52


def test_ids_of_calls_sort_by_their_time() -> None:
    clock = SystemClock()
    before = clock.now()
    call = CallIds(clock, bytes)()
    assert first_call(before) <= call < first_call(clock.now() + 1)


async def test_nobody_is_held_to_what_a_shadow_used(database: Database) -> None:
    made = row(1, cost="1", currency="USD", input_tokens=3)
    spending = await kept(database, made, row(2, cost="9", currency="USD", input_tokens=5, shadow_of=made.call))
    assert summed(await spending.since(NOW, by="tenant", of="cost", currency="USD")) == {"t": UNIT}
    assert summed(await spending.since(NOW, by="tenant", of="tokens")) == {"t": 3}
    assert summed(await spending.since(NOW, by="tenant", of="requests")) == {"t": 1}


@pytest.mark.parametrize("mark", [VECTOR, COMPARED])
async def test_nobody_is_held_to_what_the_cache_asked_for_itself(database: Database, mark: str) -> None:
    made = row(1, cost="1", currency="USD", input_tokens=3)
    beside: dict[str, object] = {"cost": "9", "currency": "USD", "input_tokens": 5}
    own = row(2, call=f"{made.call}.{mark}", **beside)
    attempt = row(3, call=f"{own.call}.1", attempt_of=own.call, **beside)
    retried = row(4, call=f"{made.call}.1", attempt_of=made.call, cost="2", currency="USD", input_tokens=4)
    spending = await kept(database, made, own, attempt, retried)
    assert summed(await spending.since(NOW, by="tenant", of="cost", currency="USD")) == {"t": 3 * UNIT}
    assert summed(await spending.since(NOW, by="tenant", of="tokens")) == {"t": 7}
    assert summed(await spending.since(NOW, by="tenant", of="requests")) == {"t": 1}
