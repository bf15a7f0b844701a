"""Stop strings, cut at every place."""

from hypothesis import given
from hypothesis import strategies as st

from modelwright.serving.text.stop import StopMatcher

LETTERS = st.text("abc", max_size=40)
STOPS = st.lists(st.text("abc", min_size=1, max_size=4), max_size=4)


def _expected(text: str, stops: list[str]) -> str:
    """The text before the stop string that is complete first; among those, the one that begins first."""
    for end in range(1, len(text) + 1):
        begins = [end - len(stop) for stop in stops if text[:end].endswith(stop)]
        if begins:
            return text[: min(begins)]
    return text


@given(LETTERS, STOPS)
def test_one_letter_at_a_time_gives_the_text_before_the_first_stop(text: str, stops: list[str]) -> None:
    matcher = StopMatcher(stops)
    sent = "".join(matcher.push(letter) for letter in text) + matcher.finish()
    assert sent == _expected(text, stops)


@given(LETTERS, STOPS, st.lists(st.integers(1, 7), max_size=40))
def test_pieces_of_any_size_send_the_same(text: str, stops: list[str], sizes: list[int]) -> None:
    matcher = StopMatcher(stops)
    sent, at = "", 0
    for size in [*sizes, len(text)]:
        sent += matcher.push(text[at : at + size])
        at += size
    assert sent + matcher.finish() == _expected(text, stops)


def test_text_that_cannot_begin_a_stop_is_sent_at_once() -> None:
    matcher = StopMatcher(["END"])
    assert matcher.push("Hello E") == "Hello "
    assert matcher.push("veryone") == "Everyone"


def test_nothing_comes_after_the_stop() -> None:
    matcher = StopMatcher(["\n"])
    assert matcher.push("one\ntwo") == "one"
    assert matcher.stopped
    assert matcher.push("three") + matcher.finish() == ""
