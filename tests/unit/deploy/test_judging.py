"""Whether a release on trial goes on: too little data never passes, and more failures never help."""

from __future__ import annotations

from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.deploying.steps import Watch
from modelwright.core.deploying.trials import Rules
from modelwright.deploy.judging import between, judged, when_over, while_watched
from tests.unit.deploy.place import counted

CALLS = st.integers(0, 2000)
RULES = st.builds(
    Rules,
    success_rate=st.none() | st.floats(0.5, 1.0),
    latency_ms=st.none() | st.floats(1, 1000),
    errors=st.none() | st.integers(0, 100),
    calls=st.integers(1, 500),
    wait=st.floats(0, 100),
    on_no_data=st.sampled_from(["hold", "advance", "roll_back"]),
)
LATENCY = st.floats(0, 2000)


@st.composite
def ended(draw: st.DrawFn) -> tuple[int, int]:
    calls = draw(CALLS)
    return calls, draw(st.integers(0, calls))


@given(rules=RULES, seen=ended(), latency=LATENCY)
def test_too_few_calls_never_pass(rules: Rules, seen: tuple[int, int], latency: float) -> None:
    calls, failures = seen
    decision = when_over(rules)([counted("r2", calls, failures, latency_ms=latency)], candidate="r2")
    assert decision.action != "advance" or calls >= rules.calls
    assert while_watched(rules)([], candidate="r2").action == "hold"


@given(rules=RULES, seen=ended(), more=st.integers(0, 100), latency=LATENCY)
def test_more_failures_never_help(rules: Rules, seen: tuple[int, int], more: int, latency: float) -> None:
    calls, failures = seen
    order = ["roll_back", "hold", "advance"]
    for decide in (while_watched(rules), when_over(rules)):
        good = decide([counted("r2", calls, failures, latency_ms=latency)], candidate="r2").action
        bad = decide([counted("r2", calls, min(calls, failures + more), latency_ms=latency)], candidate="r2").action
        assert order.index(bad) <= order.index(good)


@given(rules=RULES, seen=ended(), latency=LATENCY)
def test_what_ends_it_early_would_end_it_late(rules: Rules, seen: tuple[int, int], latency: float) -> None:
    observations = [counted("r2", *seen, latency_ms=latency), counted("r1", 10_000, 9_000)]
    early = while_watched(rules)(observations, candidate="r2")
    if early.action == "roll_back":
        assert when_over(rules)(observations, candidate="r2").action == "roll_back"
    assert early.action != "advance"


@given(rules=RULES, seen=ended(), past=st.floats(0, 200))
def test_a_trial_always_comes_to_an_end(rules: Rules, seen: tuple[int, int], past: float) -> None:
    watch = Watch(release="r2", stable="r1", share=10, seconds=50.0, rules=rules)
    decision = judged(watch, [counted("r2", *seen)], past=past)
    if past >= watch.seconds + rules.wait:
        assert decision is not None
    if decision is not None and decision.action == "advance":
        assert past >= watch.seconds


def test_without_data_the_policy_decides_and_only_when_it_was_waited_for() -> None:
    policies: tuple[Literal["hold", "advance", "roll_back"], ...] = ("hold", "advance", "roll_back")
    for policy in policies:
        watch = Watch(release="r2", stable="r1", share=10, seconds=60.0, rules=Rules(wait=30.0, on_no_data=policy))
        assert judged(watch, [], past=89.0) is None
        decision = judged(watch, [], past=90.0)
        assert decision is not None
        assert (decision.action, decision.reason) == (policy, "0 calls were seen, and 50 are needed")


def test_only_what_was_counted_meanwhile_counts() -> None:
    start = [counted("r1", 100, 10), counted("r2", 50, 50)]
    (old, new, fresh) = between(start, [counted("r1", 120, 11), counted("r2", 7, 1), counted("r3", 3)])
    assert (old.calls, old.failures) == (20, 1)
    assert (new.calls, new.failures) == (7, 1)
    assert (fresh.calls, fresh.failures) == (3, 0)


def test_a_decision_says_why() -> None:
    rules = Rules(success_rate=0.99, latency_ms=200.0, errors=5)
    decide = when_over(rules)
    assert decide([counted("r2", 100, 6)], candidate="r2").reason == "6 calls failed, and 5 may"
    told = decide([counted("r2", 100, 2)], candidate="r2").reason
    assert told == "98.00% of 100 calls ended well, and 99.00% have to"
    told = decide([counted("r2", 100, latency_ms=300)], candidate="r2").reason
    assert told == "half of the calls took more than 300 ms, and 200 ms are allowed"
    assert decide([counted("r2", 100)], candidate="r2").reason == "100 calls kept to the rules"
