import math
import random

from hypothesis import given
from hypothesis import strategies as st

from modelwright.gateway.cache.trial import Trial, lower_bound


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_bound_is_below_the_share_and_rises_with_the_count(count: int, of: int) -> None:
    count = min(count, of)
    bound = lower_bound(count, of)
    assert 0 <= bound <= count / of
    assert bound <= lower_bound(min(count + 1, of), of)


def test_the_bound_is_wilsons() -> None:
    assert math.isclose(lower_bound(5, 100, z=1.96), 0.02154, abs_tol=1e-5)


def test_too_many_wrong_ones_raise_the_threshold_half_of_the_way_to_one() -> None:
    trial = Trial(threshold=0.9, allowed=0.1)
    raised = [trial.judge(agreed=False) for _ in range(3)]
    assert any(raised)
    assert trial.threshold > 0.9
    assert (trial.checked, trial.wrong) == (0, 0) or not raised[-1]


def test_it_ends_where_nothing_is_similar_enough() -> None:
    trial = Trial(threshold=0.9, allowed=0.0)
    thresholds = []
    for _ in range(40):
        trial.judge(agreed=False)
        thresholds.append(trial.threshold)
    assert thresholds == sorted(thresholds)
    assert trial.threshold == math.inf


def test_as_many_as_are_allowed_seldom_raise_it_and_more_surely_do() -> None:
    def raises(rate: float, seed: int) -> bool:
        die, trial = random.Random(seed), Trial(threshold=0.9, allowed=0.1)
        return any(trial.judge(agreed=die.random() >= rate) for _ in range(100))

    assert sum(raises(0.02, seed) for seed in range(200)) < 20
    assert sum(raises(0.4, seed) for seed in range(200)) == 200


def test_those_that_agree_never_raise_it() -> None:
    trial = Trial(threshold=0.9, allowed=0.0)
    assert not any(trial.judge(agreed=True) for _ in range(1000))
    assert trial.checked == 1000
