import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.backoff import BackoffRule, Restart, next_restart

RULE = BackoffRule()


def test_first_death_costs_no_wait() -> None:
    assert next_restart(RULE, [100.0], 100.0) == Restart(wait=0.0, breaker_open=False)


@pytest.mark.parametrize(("deaths", "wait"), [(2, 0.5), (3, 1.0), (4, 2.0), (5, 4.0)])
def test_wait_doubles_with_each_recent_death(deaths: int, wait: float) -> None:
    assert next_restart(RULE, [100.0] * deaths, 100.0) == Restart(wait=wait, breaker_open=False)


def test_sixth_death_within_a_minute_opens_the_breaker() -> None:
    assert next_restart(RULE, [50.0, 60, 70, 80, 90, 100], 100.0) == Restart(wait=60.0, breaker_open=True)


def test_old_deaths_are_forgotten() -> None:
    assert next_restart(RULE, [1.0, 2, 3, 4, 5, 6, 100], 100.0) == Restart(wait=0.0, breaker_open=False)


def test_death_on_trial_opens_the_breaker_again() -> None:
    assert next_restart(RULE, [100.0], 100.0, trial=True) == Restart(wait=60.0, breaker_open=True)


@given(st.lists(st.floats(0, 1_000), min_size=1, max_size=40), st.floats(0, 1_000))
def test_waits_stay_within_their_bounds(deaths: list[float], now: float) -> None:
    decided = next_restart(RULE, deaths, now)
    recent = sum(1 for death in deaths if now - death <= RULE.window)
    assert decided.breaker_open == (recent >= RULE.opens_after)
    assert RULE.first <= decided.wait <= (RULE.open_for if decided.breaker_open else RULE.ceiling)


@given(st.integers(1, 5))
def test_one_more_death_never_shortens_the_wait(count: int) -> None:
    fewer, more = (next_restart(RULE, [9.0] * deaths, 10.0) for deaths in (count, count + 1))
    assert fewer.wait <= more.wait
