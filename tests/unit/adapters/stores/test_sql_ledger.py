from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from modelwright.adapters.stores.sql_ledger import SqlLedger, Total
from modelwright.core.contracts.feedback import Feedback
from modelwright.core.contracts.ledger import LedgerRow
from tests.unit.adapters.stores.spool_writer import row


@pytest.fixture
async def filled(ledger: SqlLedger) -> SqlLedger:
    rows = [
        row("01", "ok", variant="main", input_tokens=10, output_tokens=5, cached_tokens=2, reasoning_tokens=1),
        row("02", "ok", variant="main", input_tokens=1, output_tokens=None, tenant="acme"),
        row("03", "provider_timeout", variant="canary"),
        row("04"),
        row("05", "ok", endpoint="digits", operation="infer"),
    ]
    await take(ledger, rows)
    return ledger


async def take(ledger: SqlLedger, rows: list[LedgerRow]) -> None:
    refused: list[LedgerRow | Feedback] = []
    await ledger.apply(rows, file="f.jsonl", writer="f", offset=len(rows), refuse=refused.extend)
    assert refused == []


async def test_lists_the_newest_call_first(filled: SqlLedger) -> None:
    assert [found.call for found in await filled.newest(limit=3)] == ["05", "04", "03"]


async def test_filters_by_call_tenant_and_outcome(filled: SqlLedger) -> None:
    assert [found.call for found in await filled.newest(limit=9, call="03")] == ["03"]
    assert [found.call for found in await filled.newest(limit=9, tenant="acme")] == ["02"]
    assert [found.call for found in await filled.newest(limit=9, outcome="ok")] == ["05", "02", "01"]
    assert await filled.newest(limit=9, outcome="ok", tenant="nobody") == []


async def test_sums_by_endpoint_variant_and_outcome(filled: SqlLedger) -> None:
    def total(variant: str, outcome: str, calls: int, counts: tuple[int, int, int, int]) -> Total:
        names = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
        named = dict(zip(names, counts, strict=True))
        unpriced = 0 if outcome == "intent" else calls
        return Total(
            endpoint="assistant", variant=variant, outcome=outcome, currency="", calls=calls, cost="0",
            unpriced=unpriced, **named,
        )  # fmt: skip

    nothing = (0, 0, 0, 0)
    assert await filled.totals() == [
        total("", "intent", 1, nothing),
        total("canary", "provider_timeout", 1, nothing),
        total("main", "ok", 2, (11, 2, 5, 1)),
        Total(
            endpoint="digits", variant="", outcome="ok", currency="", calls=1, cost="0", unpriced=1,
            input_tokens=0, cached_tokens=0, output_tokens=0, reasoning_tokens=0,
        ),
    ]  # fmt: skip


async def test_costs_are_summed_exactly_and_currencies_never_mix(ledger: SqlLedger) -> None:
    tiny, huge = "0.000000000001", "9223372.036854775807"
    dollars = [row(f"1{n}", "ok", cost=huge, currency="USD") for n in range(9)]
    rows = [
        *dollars,
        row("21", "ok", cost=tiny, currency="USD"),
        row("22", "ok", cost="7", currency="USD"),
        row("23", "ok", cost=None, currency="USD"),
        row("31", "ok", cost="0.10", currency="CNY"),
        row("32", "ok", cost="0.20", currency="CNY"),
    ]
    await take(ledger, rows)
    found = {total.currency: total for total in await ledger.totals()}
    assert Decimal(found["USD"].cost) == 9 * Decimal(huge) + Decimal(tiny) + 7
    assert (found["USD"].calls, found["USD"].unpriced) == (12, 1)
    assert (found["CNY"].cost, found["CNY"].unpriced) == ("0.3", 0)


async def test_sums_of_a_tag_and_since_a_moment(ledger: SqlLedger) -> None:
    id_of = "{:08x}-{:04x}-7000-8000-000000000000".format
    early, late = (id_of(*divmod(1000 * at, 1 << 16)) for at in (1_000_000, 2_000_000))
    rows = [
        row(early, "ok", tags={"bench": "a-1"}, at=1_000_000.0),
        row(late, "ok", tags={"bench": "a-1", "task": "x"}, at=2_000_000.0),
        row("91", "ok", tags={"bench": "a-2"}),
        row("92", "ok"),
    ]
    await take(ledger, rows)

    async def calls(**wanted: Any) -> int:
        return sum(total.calls for total in await ledger.totals(**wanted))

    assert await calls() == 4
    assert await calls(tag=("bench", "a-1")) == 2
    assert await calls(tag=("bench", "a-1"), begins=1_500_000.0) == 1
    assert await calls(tag=("bench", "a")) == await calls(tag=('be"nch', "a-1")) == 0


async def test_a_call_without_an_outcome_is_charged_at_its_reservation(ledger: SqlLedger) -> None:
    await take(ledger, [row("41", reserved="0.25", currency="USD"), row("42")])
    assert [(total.cost, total.unpriced) for total in await ledger.totals()] == [("0", 0), ("0", 0)]
    await ledger.finish("f.jsonl", writer="f", last=True)
    found = {total.currency: (total.outcome, total.cost, total.unpriced) for total in await ledger.totals()}
    assert found == {"": ("unresolved", "0", 1), "USD": ("unresolved", "0.25", 0)}


async def test_remembers_how_far_a_file_was_read(filled: SqlLedger) -> None:
    assert await filled.offsets() == {"f.jsonl": 5}
    assert await filled.finish("f.jsonl", writer="f", last=False) == 0
    assert await filled.offsets() == {}
    assert await filled.finish("f.jsonl", writer="f", last=True) == 1
    assert [found.call for found in await filled.newest(limit=9, outcome="unresolved")] == ["04"]


NUMBERS = count()
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
COUNT = st.integers(-(2**63), 2**63 - 1)
ROWS = st.builds(
    LedgerRow,
    v=st.just(1),
    call=TEXT,
    at=st.floats(allow_nan=False, allow_infinity=False),
    operation=TEXT,
    endpoint=TEXT,
    user=TEXT,
    stream=st.booleans(),
    outcome=st.just("ok"),
    status=st.integers(0, 999),
    input_tokens=st.none() | COUNT,
    cost=st.none() | TEXT,
    first_token_ms=st.none() | st.floats(allow_nan=False),
    bytes_in=COUNT,
    tags=st.dictionaries(TEXT, TEXT, max_size=3),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=ROWS)
async def test_every_field_comes_back_as_it_went_in(ledger: SqlLedger, found: LedgerRow) -> None:
    found.call = f"{next(NUMBERS)} {found.call}"
    await take(ledger, [found])
    assert await ledger.newest(limit=2, call=found.call.replace("\0", "␀")) == [without_nul(found)]


def without_nul(row: LedgerRow) -> LedgerRow:
    """As a text is kept: PostgreSQL takes no NUL, so that nobody does."""
    raw = {name: value.replace("\0", "␀") for name, value in asdict(row).items() if isinstance(value, str)}
    tags = {name.replace("\0", "␀"): value.replace("\0", "␀") for name, value in row.tags.items()}
    return replace(row, **raw, tags=tags)


async def test_an_attempt_is_no_call_but_its_tokens_count(ledger: SqlLedger) -> None:
    rows = [
        row("01", attempts=0, variant="main"),
        row("01.1", "upstream_truncated", attempt_of="01", attempts=1, variant="main", input_tokens=7),
        row("01", attempts=1, variant="canary"),
        row("01", "ok", attempts=2, variant="canary", input_tokens=3),
    ]
    await take(ledger, rows)
    found = [(total.variant, total.calls, total.input_tokens) for total in await ledger.totals()]
    assert found == [("canary", 1, 3), ("main", 0, 7)]
    assert [kept.call for kept in await ledger.newest(limit=9, call="01")] == ["01.1", "01"]


async def test_an_unresolved_call_tells_of_its_last_attempt(ledger: SqlLedger) -> None:
    first, second = row("01", attempts=0, variant="main"), row("01", attempts=1, variant="canary")
    for lines in ([first], [second], [first], [first, second]):
        await take(ledger, lines)
    assert [(kept.outcome, kept.variant) for kept in await ledger.newest(limit=9)] == [("intent", "canary")]
    await ledger.finish("f.jsonl", writer="f", last=True)
    await take(ledger, [first, second])
    assert [(kept.outcome, kept.variant) for kept in await ledger.newest(limit=9)] == [("unresolved", "canary")]
