"""What calls cost, against the same sum in decimals."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Price, RatesAbove, RatesAt
from modelwright.core.prices import (
    PROMPT_BYTES,
    UNIT,
    ceiling,
    charged,
    cost,
    money,
    nearest_units,
    read_money,
    reservation,
    units,
)

MINI = Price(input=150_000, cached=75_000, output=600_000)
NOON = 1_700_000_000 // 86_400 * 86_400 + 43_200
rates = st.integers(0, 10**9)
counts = st.integers(0, 10**7)


def row(**fields: object) -> LedgerRow:
    known = {"call": "1", "at": NOON, "operation": "chat", "endpoint": "e", "outcome": "ok", "attempts": 1}
    return LedgerRow(**{**known, **fields})  # type: ignore[arg-type]


@given(prompt=counts, answer=counts, parts=st.tuples(st.floats(0, 1), st.floats(0, 1)), each=st.tuples(*[rates] * 5))
def test_every_token_has_its_own_rate_and_nothing_is_rounded(
    prompt: int, answer: int, parts: tuple[float, float], each: tuple[int, ...]
) -> None:
    cached, reasoning = int(prompt * parts[0]), int(answer * parts[1])
    price = Price(input=each[0], cached=each[1], output=each[2], reasoning=each[3], request=each[4])
    found = row(input_tokens=prompt, cached_tokens=cached, output_tokens=answer, reasoning_tokens=reasoning)
    plain, hidden = prompt - cached, answer - reasoning
    wanted = plain * each[0] + cached * each[1] + hidden * each[2] + reasoning * each[3] + each[4]
    units_ = cost(found, price)
    assert units_ == wanted
    assert Fraction(money(wanted)) == Fraction(wanted, UNIT)


def test_cached_tokens_are_part_of_the_input_and_reasoning_of_the_output() -> None:
    price = Price(input=10, cached=1, written=12, output=100, reasoning=1000, request=7)
    counted = row(
        input_tokens=20, cached_tokens=5, cache_write_tokens=5, output_tokens=8, reasoning_tokens=2
    )  # fmt: skip
    assert cost(counted, price) == 10 * 10 + 5 * 1 + 5 * 12 + 6 * 100 + 2 * 1000 + 7


@pytest.mark.parametrize(
    "counted",
    [
        {},
        {"input_tokens": 5},
        {"output_tokens": 5},
        {"input_tokens": 5, "output_tokens": -1},
        {"input_tokens": 5, "output_tokens": 5, "cached_tokens": 6},
        {"input_tokens": 5, "output_tokens": 5, "cached_tokens": -1},
    ],
)
def test_a_count_that_is_missing_or_impossible_leaves_a_call_unpriced(counted: dict[str, int]) -> None:
    assert cost(row(**counted), MINI) is None


def test_a_part_of_unknown_size_is_charged_as_the_whole_when_that_is_the_dearer_one() -> None:
    counted = row(input_tokens=10, output_tokens=10)
    assert cost(counted, MINI) == 10 * 150_000 + 10 * 600_000
    assert cost(counted, Price(input=1, output=1, reasoning=2)) is None
    assert cost(counted, Price(input=1, written=2, output=1)) is None


def test_tokens_whose_rate_is_not_known_leave_a_call_unpriced() -> None:
    embeddings = Price(input=20_000)
    assert cost(row(input_tokens=5), embeddings) == 100_000
    assert cost(row(input_tokens=5, output_tokens=0), embeddings) == 100_000
    assert cost(row(input_tokens=5, output_tokens=1), embeddings) is None


def test_a_price_per_call_needs_no_counts() -> None:
    assert cost(row(), Price(input=0, output=0, request=5)) == 5


@pytest.mark.parametrize(("prompt", "wanted"), [(100, 100), (101, 202), (1000, 2000), (1001, 3003)])
def test_a_long_prompt_changes_the_rate_of_every_token(prompt: int, wanted: int) -> None:
    steps = (RatesAbove(above=100, input=2, output=0), RatesAbove(above=1000, input=3, output=0))
    assert cost(row(input_tokens=prompt, output_tokens=9), Price(input=1, output=0, steps=steps)) == wanted


@pytest.mark.parametrize(
    ("begin", "end", "inside"),
    [(0, 43_200, False), (43_200, 43_201, True), (43_199, 43_200, False), (80_000, 50_000, True), (50_000, 100, False)],
)
def test_some_hours_have_rates_of_their_own(begin: int, end: int, *, inside: bool) -> None:
    price = Price(input=1, output=0, hours=(RatesAt(begin=begin, end=end, input=2, output=0),))
    assert cost(row(input_tokens=10, output_tokens=0), price) == (20 if inside else 10)


def test_a_machines_time_is_paid_by_the_microsecond_and_its_last_fraction_is_rounded_up() -> None:
    price = Price(input=0, output=0, request=5, second=3)
    assert cost(row(machine_us=0), price) == 5
    assert cost(row(machine_us=1), price) == 6
    assert cost(row(machine_us=2_000_000, input_tokens=9, output_tokens=9), price) == 11
    assert cost(row(input_tokens=9, output_tokens=9), price) is None
    assert reservation(ceiling(price), prompt_bytes=9, max_tokens=9, seconds=1.5) == 11


def test_a_price_that_has_ended_is_none() -> None:
    counted = row(input_tokens=1, output_tokens=1)
    assert cost(counted, Price(input=1, output=1, until=NOON + 1)) == 2
    assert cost(counted, Price(input=1, output=1, until=NOON)) is None


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"attempts": 0, "outcome": "refused"}, 0),
        ({"attempts": 0, "outcome": "ok"}, 0),
        ({"outcome": "provider_refused"}, 0),
        ({"outcome": "provider_error"}, 0),
        ({"outcome": "provider_overloaded"}, 0),
        ({"outcome": "provider_rate_limited", "first_token_ms": 1.0}, None),
        ({"outcome": "engine_failed", "first_token_ms": 1.0}, None),
        ({"outcome": "refused", "input_tokens": 1, "output_tokens": 1}, 750_000),
        ({"outcome": "provider_error", "first_token_ms": 1.0}, None),
        ({"outcome": "provider_error", "input_tokens": 1, "output_tokens": 0}, 150_000),
        ({"outcome": "provider_timeout"}, None),
        ({"outcome": "client_disconnect"}, None),
        ({"outcome": "ok"}, None),
    ],
)
def test_what_nobody_bills_is_free_and_what_nobody_knows_is_not(fields: dict[str, object], wanted: int | None) -> None:
    assert charged(row(**fields), MINI) == wanted
    assert charged(row(**fields), None) == (0 if wanted == 0 else None)


@given(
    prompt=st.integers(0, 10**6),
    answers=st.integers(1, 4),
    limit=st.integers(0, 10**5),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    each=st.tuples(*[rates] * 4),
)
def test_a_call_within_its_bounds_costs_no_more_than_its_reservation(
    prompt: int, answers: int, limit: int, shares: tuple[float, float], each: tuple[int, ...]
) -> None:
    step = RatesAbove(above=1000, input=each[3], output=each[2])
    price = Price(input=each[0], cached=each[1], output=each[2], reasoning=each[3], request=3, steps=(step,))
    answer = limit * answers
    found = row(
        input_tokens=prompt, cached_tokens=int(prompt * shares[0]),
        output_tokens=answer, reasoning_tokens=int(answer * shares[1]),
    )  # fmt: skip
    held = reservation(ceiling(price), prompt_bytes=prompt * PROMPT_BYTES, max_tokens=limit, answers=answers)
    assert (cost(found, price) or 0) <= held


@given(st.integers(-(10**30), 10**30))
def test_money_comes_back_as_it_went_out(amount: int) -> None:
    text = money(amount)
    assert read_money(text) == amount
    assert Fraction(text) == Fraction(amount, UNIT)
    assert "E" not in text
    assert "." not in text or not text.endswith(("0", "."))


def test_amounts_become_whole_units_or_are_refused() -> None:
    assert units("0.15", per=10**6) == 150_000
    assert units(Decimal("0.000001"), per=10**6) == 1
    with pytest.raises(ValueError, match="at most 6"):
        units("0.0000001", per=10**6)
    with pytest.raises(ValueError, match="at most 12"):
        units("0.0000000000001")
    assert nearest_units(Decimal("0.0833333333333333"), per=10**6) == 83_333
