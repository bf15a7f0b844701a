"""Intervals hold what they promise, at the edges too."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.experiments.intervals import mean, quantile, share


def test_share_agrees_with_published_figures() -> None:
    # Wilson's interval for 10 of 100, as in statistical tables (0.0552, 0.1744).
    found = share(10, 100)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (0.0552, 0.1744)


def test_nothing_counted_is_no_figure() -> None:
    assert share(0, 0) is None
    assert mean([]) is None
    assert quantile([], 0.5) is None


@given(st.integers(0, 500), st.integers(1, 500))
def test_share_lies_in_its_interval(hits: int, more: int) -> None:
    found = share(hits, hits + more)
    assert found is not None
    assert 0 <= found.low <= found.value <= found.high <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_mean_lies_in_its_interval(values: list[float]) -> None:
    found = mean(values)
    assert found is not None
    assert found.low <= found.value + 1e-9
    assert found.value <= found.high + 1e-9
    if len(values) == 1:
        assert (found.low, found.high) == (0, 1)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=80), st.sampled_from([0.5, 0.95]))
def test_quantile_lies_in_its_interval(values: list[float], at: float) -> None:
    found = quantile(sorted(values), at)
    assert found is not None
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("at", [0.5, 0.95])
def test_quantile_intervals_hold_the_truth_about_as_often_as_they_say(at: float) -> None:
    chance = random.Random(7)
    held = 0
    for _ in range(400):
        found = quantile(sorted(chance.random() for _ in range(200)), at)
        assert found is not None
        held += found.low <= at <= found.high
    assert 0.92 <= held / 400 <= 0.995


def test_share_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    chance = random.Random(7)
    held = 0
    for _ in range(600):
        found = share(sum(chance.random() < 0.05 for _ in range(150)), 150)
        assert found is not None
        held += found.low <= 0.05 <= found.high
    assert 0.92 <= held / 600 <= 0.985
