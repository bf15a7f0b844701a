"""The circuit breaker with a clock in the test's hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.contracts.snapshot import BreakerRule
from modelwright.gateway.routing.breaker import Breaker, State

RULE = BreakerRule(failures=3, share=0.5, window=10.0, rest=5.0)


def made(rule: BreakerRule = RULE, *, chance: float = 0.0) -> tuple[Breaker, list[State]]:
    told: list[State] = []
    return Breaker(rule, chance=lambda: chance, tell=told.append), told


def attempt(breaker: Breaker, now: float, *, good: bool) -> None:
    who = object()
    breaker.enter(who)
    (breaker.succeed if good else breaker.fail)(who, now)


def test_it_opens_after_enough_failures_and_rests() -> None:
    breaker, told = made()
    for _ in range(2):
        attempt(breaker, 1.0, good=False)
    assert breaker.admits(1.0)
    attempt(breaker, 1.0, good=False)
    assert told == ["open"]
    assert (breaker.admits(5.9), breaker.admits(6.0), breaker.wait(2.0)) == (False, True, 4.0)


def test_a_share_that_is_small_does_not_open_it() -> None:
    breaker, told = made()
    for _ in range(10):
        attempt(breaker, 1.0, good=True)
    for _ in range(9):
        attempt(breaker, 1.0, good=False)
    assert told == []
    attempt(breaker, 1.0, good=False)
    assert told == ["open"]


def test_failures_grow_old() -> None:
    breaker, told = made()
    for now in (0.0, 6.0, 12.0, 18.0, 40.0, 1000.0):
        attempt(breaker, now, good=False)
    assert told == []
    for now in (1001.0, 1002.0):
        attempt(breaker, now, good=False)
    assert told == ["open"]


def opened() -> tuple[Breaker, list[State]]:
    breaker, told = made()
    for _ in range(3):
        attempt(breaker, 0.0, good=False)
    return breaker, told


def test_one_at_a_time_tries_it_and_one_success_closes_it() -> None:
    breaker, told = opened()
    assert breaker.admits(5.0)
    breaker.enter(probe := object())
    assert not breaker.admits(5.0)
    breaker.succeed(probe, 5.5)
    assert (told, breaker.closed) == (["open", "half_open", "closed"], True)
    attempt(breaker, 5.6, good=False)
    assert breaker.closed, "what was before it opened is forgotten"


def test_a_failed_try_rests_again() -> None:
    breaker, told = opened()
    attempt(breaker, 5.0, good=False)
    assert (breaker.admits(9.9), breaker.admits(10.0)) == (False, True)
    assert told == ["open", "half_open", "open"]


def test_a_try_that_ends_without_an_answer_lets_the_next_one_try() -> None:
    breaker, _ = opened()
    breaker.enter(probe := object())
    breaker.leave(object())
    assert not breaker.admits(5.0)
    breaker.leave(probe)
    assert breaker.admits(5.0)


def test_attempts_from_before_it_opened_decide_nothing() -> None:
    breaker, told = opened()
    late, probe = object(), object()
    breaker.succeed(late, 1.0)
    breaker.fail(late, 1.0)
    breaker.enter(probe)
    breaker.succeed(late, 5.0)
    breaker.fail(late, 5.0)
    assert (breaker.closed, breaker.admits(5.0), told) == (False, False, ["open", "half_open"])


def test_workers_do_not_come_back_together() -> None:
    waits: list[float] = []
    for chance in (0.0, 0.5, 0.99):
        breaker, _ = made(chance=chance)
        for _ in range(3):
            attempt(breaker, 0.0, good=False)
        waits.append(breaker.wait(0.0))
    assert waits == pytest.approx([5.0, 6.25, 7.475])


STEPS = st.lists(st.tuples(st.sampled_from(["ask", "good", "bad", "gone"]), st.floats(0, 7)), max_size=120)


@given(STEPS)
def test_it_never_lets_two_try_at_once_and_never_stays_shut(steps: list[tuple[str, float]]) -> None:
    breaker, _ = made()
    now, trying, under_way = 0.0, None, list[object]()
    for what, passed in steps:
        now += passed
        if what == "ask":
            if not breaker.admits(now):
                continue
            who = object()
            if not breaker.closed:
                assert trying is None
                trying = who
            breaker.enter(who)
            under_way.append(who)
        elif under_way:
            who = under_way.pop(0)
            {"good": breaker.succeed, "bad": breaker.fail}.get(what, lambda who, _: breaker.leave(who))(who, now)
            if who is trying:
                trying = None
        if breaker.closed:
            trying = None
    for who in under_way:
        breaker.leave(who)
    assert breaker.admits(now + 5.0)
