"""Weights of instances add up to the shares of their releases."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from modelwright.deploy.edges.weights import MOST, weights


@given(st.dictionaries(st.sampled_from("abcd"), st.tuples(st.integers(0, 100), st.integers(0, 20)), max_size=4))
def test_they_add_up(releases: dict[str, tuple[int, int]]) -> None:
    shares = {name: share for name, (share, _) in releases.items()}
    counts = {name: count for name, (_, count) in releases.items()}
    found = weights(shares, counts)
    assert {*found} == {name for name, count in counts.items() if count}
    assert all(0 <= each <= MOST for each in found.values())
    assert all((found[name] > 0) == (shares[name] > 0) for name in found)
    wanted = sum(shares[name] for name in found)
    given_out = sum(found[name] * counts[name] for name in found)
    for name in found:
        if wanted:
            off = abs(found[name] * counts[name] / given_out - shares[name] / wanted)
            assert off <= 20 / MOST  # at most one for each of twenty instances


def test_they_are_exact_where_they_can_be() -> None:
    assert weights({"r1": 90, "r2": 10}, {"r1": 3, "r2": 1}) == {"r1": 30, "r2": 10}
    assert weights({"r1": 99, "r2": 1}, {"r1": 2, "r2": 2}) == {"r1": 99, "r2": 1}
    assert weights({"r1": 100}, {"r1": 1, "r2": 1}) == {"r1": 100, "r2": 0}
    assert weights({}, {"r1": 1}) == {"r1": 0}
    assert weights({"r1": 100}, {}) == {}
