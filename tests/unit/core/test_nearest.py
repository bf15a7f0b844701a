"""Suggestions for misspelt words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.nearest import nearest, surely_meant

KNOWN = ("models", "providers", "endpoints", "access", "gateway", "store", "observe", "environments", "name", "schema")
words = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("word", "meant"), [("modles", "models"), ("gatway", "gateway"), ("Gateway", "gateway"), ("endpoint", "endpoints")]
)
def test_a_slip_is_recognised(word: str, meant: str) -> None:
    assert nearest(word, KNOWN) == meant
    assert surely_meant(word, KNOWN) == meant


def test_nothing_is_suggested_for_another_word() -> None:
    assert nearest("kubernetes", KNOWN) == ""
    assert nearest("x", ()) == ""


def test_two_that_come_near_are_suggested_but_never_written() -> None:
    assert nearest("max_row", ("max_rows", "max_cows")) == "max_rows"
    assert surely_meant("max_xows", ("max_rows", "max_cows")) == ""


@given(words, st.lists(words, max_size=8))
def test_the_answer_is_a_known_word_or_nothing_in_any_order(word: str, known: list[str]) -> None:
    assert nearest(word, known) in {"", *known}
    assert nearest(word, known) == nearest(word, reversed(known))
    assert surely_meant(word, known) == surely_meant(word, reversed(known))


@given(words, st.lists(words, max_size=8))
def test_what_is_sure_is_also_suggested(word: str, known: list[str]) -> None:
    sure = surely_meant(word, known)
    assert sure in {"", nearest(word, known)}


@given(st.sampled_from(KNOWN), st.integers(0, 20))
def test_a_word_that_lacks_one_letter_is_recognised(word: str, at: int) -> None:
    if len(word) >= 5:
        cut = at % len(word)
        assert nearest(word[:cut] + word[cut + 1 :], KNOWN) == word


@given(words)
def test_a_known_word_is_nearest_to_itself(word: str) -> None:
    assert nearest(word, [*KNOWN, word]) == word
