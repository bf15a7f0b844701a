"""The rules of limits: where windows begin and end, and what a call asks for and has used."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.limits import Calendar, Sliding, costs_of, tokens_asked, tokens_of, tokens_used, zone_of

BERLIN = "Europe/Berlin"
ZONES = st.sampled_from(["UTC", BERLIN, "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@given(st.floats(0, 4e9), st.sampled_from([60, 3600]))
def test_what_slides_counts_for_its_whole_length_and_hardly_longer(now: float, seconds: int) -> None:
    window = Sliding(seconds)
    slot, _ = window.at(now)
    leaves = window.leaves(slot)
    assert seconds < leaves - now <= seconds + window.width
    assert window.at(leaves - 0.001)[1] <= slot < window.at(leaves)[1]


@given(st.floats(1e8, 4e9), st.sampled_from(["minute", "hour", "day", "month"]), ZONES)
def test_windows_of_the_calendar_follow_each_other_without_a_gap(now: float, per: str, zone: str) -> None:
    window = Calendar(per, zone_of(zone))
    slot, oldest = window.at(now)
    assert slot == oldest == window.begins <= now < window.ends == window.leaves(slot)
    ends = window.ends
    assert window.at(ends) == (ends, ends)
    assert window.before == slot


@given(st.integers(0, 700), ZONES)
def test_a_day_begins_at_midnight_also_where_clocks_are_changed(days: int, zone: str) -> None:
    window = Calendar("day", zone_of(zone))
    noon = datetime(2025, 1, 1, 12, tzinfo=zone_of(zone)) + timedelta(days=days)
    begins = datetime.fromtimestamp(window.at(noon.timestamp())[0], zone_of(zone))
    assert (begins.date(), begins.hour, begins.minute) == (noon.date(), 0, 0)


def test_a_month_is_the_one_of_the_time_zone() -> None:
    window = Calendar("month", zone_of(BERLIN))
    assert window.at(at("2026-03-31T23:59:59", BERLIN))[0] == at("2026-03-01", BERLIN)
    assert window.at(at("2026-03-31T22:00:00"))[0] == at("2026-04-01", BERLIN)
    starts = [window.at(at(f"2026-{month:02}-15", BERLIN))[0] for month in range(1, 13)]
    assert [later - earlier for earlier, later in pairwise(starts)][2] == 31 * 86400 - 3600


def test_an_unknown_time_zone_is_refused() -> None:
    for name in ("Mars/Olympus", "", "../etc/passwd", "/etc/localtime"):
        with pytest.raises(ValueError, match="no time zone"):
            zone_of(name)


def test_tokens_are_reserved_by_the_bytes_of_the_prompt_and_the_most_that_the_answer_may_have() -> None:
    assert tokens_asked(300, answer=50, limit=10, stated=True) == 150
    assert tokens_asked(301, answer=100, limit=10, stated=True) == 201
    assert tokens_asked(300, answer=4096, limit=10**6, stated=False) == 4196
    assert tokens_asked(300, answer=4096, limit=1000, stated=False) == 1000
    assert tokens_asked(300, answer=4096, limit=10, stated=False) == 100
    assert tokens_asked(0, answer=0, limit=10, stated=True) == 0


def row(**changes: object) -> LedgerRow:
    known = LedgerRow(call="c", at=0.0, operation="chat", endpoint="chat", attempts=1, outcome="ok")
    for name, value in changes.items():
        setattr(known, name, value)
    return known


def test_tokens_count_as_the_provider_reports_them() -> None:
    assert tokens_used(row(input_tokens=3, output_tokens=4)) == 7
    assert tokens_used(row(input_tokens=3)) == 3
    assert tokens_used(row(attempts=0, outcome="refused")) == 0
    assert tokens_used(row(outcome="provider_error")) == 0
    assert tokens_used(row()) is None
    assert tokens_used(row(outcome="client_disconnect")) is None
    assert tokens_used(row(outcome="guard_blocked")) is None
    assert tokens_used(row(attempts=0, outcome="guard_blocked")) == 0


def test_an_answer_that_began_and_was_not_counted_is_unknown_however_it_ended() -> None:
    for outcome in ("ok", "guard_blocked", "client_disconnect", "provider_error"):
        assert tokens_used(row(input_tokens=3, first_token_ms=1.0, outcome=outcome)) is None
        assert tokens_used(row(first_token_ms=1.0, outcome=outcome)) is None
    assert tokens_used(row(input_tokens=3, output_tokens=4, first_token_ms=1.0, outcome="provider_error")) == 7


def test_what_is_known_of_some_attempts_counts_beside_what_was_reserved_for_the_others() -> None:
    known = row(input_tokens=3, output_tokens=4, cost="2", reserved="9", currency="USD")
    unknown = row(outcome="provider_timeout", reserved="0.5", currency="USD")
    assert tokens_of((unknown, known, unknown)) == (7, 2)
    assert costs_of((unknown, known, unknown)) == {"USD": 3 * 10**12}
    assert costs_of((known, row(cost="1", currency="EUR"))) == {"USD": 2 * 10**12, "EUR": 10**12}
    assert costs_of((known, row())) == {"USD": 2 * 10**12}
    assert costs_of((row(),)) == {}
