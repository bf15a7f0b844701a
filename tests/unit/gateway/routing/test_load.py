"""What is measured of a variant, and what it makes of the choice between several."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core import split
from modelwright.gateway.routing.conversation import opening
from modelwright.gateway.routing.load import REMEMBERED, Load

SECONDS = st.floats(0.001, 100)


@given(st.lists(st.tuples(SECONDS, st.floats(0, 60)), min_size=1, max_size=50))
def test_the_average_stays_between_what_was_seen(seen: list[tuple[float, float]]) -> None:
    load, now = Load(), 0.0
    for seconds, passed in seen:
        now += passed
        load.observe(seconds, stream=False, now=now)
    load.in_flight = 1
    average = load.expected(stream=False, now=now) / 2
    assert min(seconds for seconds, _ in seen) * 0.999 <= average <= max(seconds for seconds, _ in seen) * 1.001


def test_a_change_shows_after_a_few_calls() -> None:
    load = Load()
    load.observe(0.1, stream=False, now=0.0)
    for _ in range(7):
        load.observe(10.0, stream=False, now=0.0)
    assert load.expected(stream=False, now=0.0) > 5.0


def test_calls_under_way_are_waited_for() -> None:
    load = Load()
    load.observe(0.5, stream=True, now=0.0)
    load.in_flight = 3
    assert load.expected(stream=True, now=0.0) == 2.0


def test_one_that_is_idle_is_tried_again_some_day() -> None:
    load = Load()
    load.observe(10.0, stream=False, now=0.0)
    assert load.expected(stream=False, now=REMEMBERED) == pytest.approx(10 / math.e)
    load.in_flight = 1
    assert load.expected(stream=False, now=REMEMBERED) == 20.0


def test_one_that_was_never_asked_is_asked_by_one_call_at_a_time() -> None:
    load = Load()
    assert load.expected(stream=False, now=0.0) == 0.0
    load.in_flight = 1
    assert load.expected(stream=False, now=0.0) == math.inf


NAMES = st.lists(st.text("abcdef", min_size=1, max_size=6), min_size=2, max_size=6, unique=True)


@given(names=NAMES, subject=st.text(max_size=20))
def test_when_a_replica_leaves_only_its_subjects_move(names: list[str], subject: str) -> None:
    kept = names[split.rank(b"salt", subject, names)]
    for gone in names:
        left = [name for name in names if name != gone]
        if gone != kept:
            assert left[split.rank(b"salt", subject, left)] == kept


def test_a_conversation_is_known_by_how_it_began() -> None:
    first = b'{"messages":[{"role":"system","content":"s"},{"role":"user","content":"a"}'
    later = first + b',{"role":"assistant","content":"x"},{"role":"user","content":"b"}]}'
    assert opening(first + b"]}") == opening(later) != ""
    assert opening(later) != opening(later.replace(b'"a"', b'"c"'))


@pytest.mark.parametrize("body", [b"", b"{}", b'{"messages":[]}', b'{"messages":[1]}', b'{"messages":"x"}', b"[" * 9999,
                                  b'{"messages":[{"role":"system","content":"s"}]}'])  # fmt: skip
def test_a_body_without_a_question_has_no_opening(body: bytes) -> None:
    assert opening(body) == ""
