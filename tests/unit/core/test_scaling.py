"""Replicas follow what is asked of them, within bounds, and do not flap."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.scaling import CALM, LONG_ENOUGH, Demand, Scaler, ScaleRule

RULE = ScaleRule(least=1, most=4, in_flight=8, idle=600)
STEP = 0.5


class Model:
    """A model with a clock, whose replicas come and go at once."""

    def __init__(self, rule: ScaleRule, replicas: int = 1) -> None:
        self.scaler = Scaler(rule, now=0.0)
        self.replicas = replicas
        self.now = 0.0
        self.changes: list[int] = []

    def run(self, seconds: float, *, in_flight: int = 0, calls: int = 0, each: float = 0.0) -> int:
        """The replicas after so long under this load."""
        for _ in range(int(seconds / STEP)):
            self.now += STEP
            demand = Demand(replicas=self.replicas, in_flight=in_flight, calls=calls, seconds=calls * each)
            wanted = self.scaler.wants(demand, now=self.now)
            if wanted != self.replicas:
                self.changes.append(wanted)
            self.replicas = wanted
        return self.replicas


def test_a_load_that_lasts_brings_as_many_as_it_needs_and_a_burst_none() -> None:
    model = Model(RULE)
    assert model.run(LONG_ENOUGH - STEP, in_flight=100) == 1
    assert model.run(10, in_flight=8) == 1, "what one can do, one does"
    assert model.run(LONG_ENOUGH + STEP, in_flight=20) == 3
    assert model.run(60, in_flight=1000) == 4, "no more than the most"


def test_slow_calls_bring_one_more_at_a_time() -> None:
    model = Model(ScaleRule(least=1, most=3, in_flight=8, latency=0.2))
    assert model.run(30, in_flight=1, calls=5, each=0.19) == 1
    assert model.run(LONG_ENOUGH + STEP, in_flight=1, calls=5, each=0.3) == 2
    assert model.run(LONG_ENOUGH + STEP, in_flight=1, calls=5, each=0.3) == 3


def test_calm_takes_one_away_at_a_time_and_idleness_all_that_may_go() -> None:
    model = Model(RULE, replicas=4)
    assert model.run(CALM - STEP, in_flight=3) == 4
    assert model.run(2 * STEP, in_flight=3) == 3
    assert model.run(CALM + STEP, in_flight=9) == 3, "two would be too busy too soon"
    assert model.run(599, in_flight=0) == 1
    sleeper = Model(ScaleRule(least=0, most=2, idle=10), replicas=1)
    assert sleeper.run(9) == 1
    assert sleeper.run(2) == 0
    assert sleeper.run(100) == 0, "nobody wakes it but a call"


rules = st.builds(
    lambda least, more, in_flight, latency, idle: ScaleRule(
        least=least, most=max(1, least + more), in_flight=in_flight, latency=latency, idle=idle
    ),
    st.integers(0, 3),
    st.integers(0, 5),
    st.integers(1, 20),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.sampled_from([1.0, 30.0, 600.0]),
)


@given(rules, st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50), st.floats(0, 2)), max_size=200))
def test_bounds_are_kept_and_nobody_sleeps_while_calls_run(
    rule: ScaleRule, looks: list[tuple[int, int, float]]
) -> None:
    model = Model(rule, replicas=max(1, rule.least))
    for in_flight, calls, each in looks:
        found = model.run(STEP, in_flight=in_flight, calls=calls, each=each)
        assert rule.least <= found <= rule.most
        assert found >= 1 or not in_flight


@given(rules, st.integers(0, 100), st.integers(1, 9))
def test_an_even_load_comes_to_rest(rule: ScaleRule, in_flight: int, replicas: int) -> None:
    """Hysteresis: it goes one way only, and then no more."""
    model = Model(rule, replicas=min(max(replicas, rule.least, 1), rule.most))
    begun = model.replicas
    model.run(1300, in_flight=in_flight)
    rest = len(model.changes)
    model.run(600, in_flight=in_flight)
    assert len(model.changes) == rest
    steps = [begun, *model.changes]
    assert steps in (sorted(steps), sorted(steps, reverse=True))


@pytest.mark.parametrize(("least", "most", "moves"), [(1, 1, False), (0, 1, True), (2, 4, True)])
def test_only_where_there_is_room_is_anything_decided(least: int, most: int, moves: bool) -> None:  # noqa: FBT001
    assert ScaleRule(least=least, most=most).moves is moves
