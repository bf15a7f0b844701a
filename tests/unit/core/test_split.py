"""Shares of traffic."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.split import choose, position, spans, subject

SALT = bytes(range(32))
weights = st.lists(st.floats(0, 1e9, allow_subnormal=False), min_size=1, max_size=8).filter(lambda each: sum(each) > 0)
places = st.floats(0, 1, exclude_max=True)


def test_a_position_never_changes() -> None:
    assert round(position(SALT, "assistant", "u-1") * 2**53) == 2876278799550116


@given(st.text(), st.text())
def test_a_position_is_in_its_range(endpoint: str, who: str) -> None:
    assert 0 <= position(SALT, endpoint, who) < 1


@given(weights, places)
def test_the_chosen_one_has_a_weight_and_covers_the_place(given_weights: list[float], at: float) -> None:
    chosen = choose(given_weights, at)
    begin, end = spans(given_weights)[chosen]
    assert given_weights[chosen] > 0
    assert begin <= at or not any(given_weights[:chosen])
    assert at < end or not any(given_weights[chosen + 1 :])


@given(weights)
def test_spans_follow_one_another_and_fill_the_whole(given_weights: list[float]) -> None:
    found = spans(given_weights)
    assert found[0][0] == 0
    assert found[-1][1] == pytest.approx(1)
    assert all(before[1] == after[0] for before, after in pairwise(found))


@given(st.integers(1, 99), st.integers(0, 98), places)
def test_a_growing_canary_takes_users_and_gives_none_back(before: int, more: int, at: float) -> None:
    after = min(100, before + more)
    was_canary = choose([100 - before, before], at) == 1
    assert not was_canary or choose([100 - after, after], at) == 1


def test_weights_that_are_all_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        choose([0, 0], 0.5)


@pytest.mark.parametrize(
    ("by", "who", "expected"),
    [
        ("user", {"header": "h", "user": "u", "key": "k", "call": "c"}, "h"),
        ("user", {"user": "u", "key": "k", "call": "c"}, "u"),
        ("user", {"key": "k", "call": "c"}, "k"),
        ("user", {"call": "c"}, "c"),
        ("key", {"header": "h", "user": "u", "key": "k", "call": "c"}, "k"),
        ("key", {"user": "u", "call": "c"}, "c"),
        ("tenant", {"tenant": "t", "key": "k", "call": "c"}, "t"),
        ("tenant", {"call": "c"}, "c"),
        ("call", {"header": "h", "user": "u", "key": "k", "tenant": "t", "call": "c"}, "c"),
    ],
)
def test_whose_hash_decides(by: str, who: dict[str, str], expected: str) -> None:
    assert subject(by, **who) == expected
