from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwright.core.contracts.guard import PII_KINDS, GuardSide
from modelwright.guards.detectors.phrases import Phrases
from modelwright.guards.side import Side
from modelwright.guards.span import SEEN, WINDOW, Detector, Span
from modelwright.guards.window import Window
from tests.unit.guards.findings import EXAMPLES, HARMLESS, PEM

SIDE = Side("output", GuardSide(pii="mask"))
ACTIONS = {**dict.fromkeys(PII_KINDS, "mask"), "rule.secret-word": "mask", "rule.shop": "allow"}
RULES: tuple[Detector, ...] = (
    *SIDE.detectors,
    Phrases("rule.secret-word", words=["Project Orion", "内部项目"], shapes=["INV-####"], label="[WORD]"),
    Phrases("rule.shop", words=["shop@example.com", "call +1 800 555 0199"]),
)
PIECES = [
    "4111", "1111", "1111111111111111", " ", "-", "1", "2", "0", "+", "44", "(", ")", "@", ".", "a", "DE89", "3704",
    "0044", "0532", "0130", "00", "x.com", "john", "sk-", "A1b2C3d4", PEM, PEM[:40], PEM[-30:], "\u200b", "５", "中",
    ",", "\n", "X", "110105", "19491231", "002X", "13812345678", "://", "u:p", "eyJ", "\\", '"', "'", "=", "a1B2" * 10,
    "secret_access_key", "GB29", "NWBK", "+86", "project", " orion", "内部", "项目", "INV-", "shop@example.com",
    "call ", "+1 800", " 555 0199", "\\u0031", "\\n", "\U0001f600",
]  # fmt: skip


def through(pieces: Sequence[str], *, json: bool = False) -> tuple[str, list[tuple[str, int]]]:
    """What leaves a window, and what it has told."""
    told: list[tuple[str, int]] = []

    def tell(span: Span, at: int) -> None:
        told.append((span.kind, at))

    window = Window(RULES, tell, actions=ACTIONS, json=json)
    return "".join([*map(window.push, pieces), window.finish()]), told


def silent(span: Span, at: int) -> None:
    """Tells nobody."""


@pytest.mark.parametrize(("text", "masked"), EXAMPLES)
def test_a_finding_is_masked(text: str, masked: str) -> None:
    assert through([text])[0] == masked


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_one_is_left_alone(text: str) -> None:
    assert through([text]) == (text, [])


@pytest.mark.parametrize("json", [False, True])
@pytest.mark.parametrize("text", [text for text, _ in EXAMPLES])
def test_at_every_split_the_result_is_that_of_the_whole(text: str, *, json: bool) -> None:
    whole = through([text], json=json)
    assert all(through([text[:at], text[at:]], json=json) == whole for at in range(len(text) + 1))
    assert through(list(text), json=json) == whole


@settings(max_examples=300, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30), cuts=st.lists(st.integers(0, 400)), json=st.booleans())
def test_at_any_splits_of_any_text_the_result_is_that_of_the_whole(
    pieces: list[str], cuts: list[int], *, json: bool
) -> None:
    text = "".join(pieces)
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    split = [text[start:end] for start, end in pairwise(places)]
    assert through(split, json=json) == through([text], json=json)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=200))
def test_a_text_without_findings_comes_through_as_it_is(text: str) -> None:
    out, told = through(list(text))
    assert told or out == text


@settings(max_examples=100, deadline=None)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=80))
def test_no_more_than_the_window_is_held_back(pieces: list[str]) -> None:
    window = Window(RULES, silent, actions=ACTIONS)
    for piece in pieces:
        window.push(piece)
        waiting = len(window._raw) - window._at
        assert waiting <= 9 * WINDOW, "plain characters, and up to eight invisible ones behind each"
        assert window._at <= SEEN + 4


def test_prose_waits_for_the_end_of_its_word_only() -> None:
    window = Window(RULES, silent, actions=ACTIONS)
    assert [window.push(piece) for piece in ("Hel", "lo wor", "ld, ", "你", "好")] == [
        "",
        "Hello ",
        "world, ",
        "你",
        "好",
    ]
    assert (window.waiting, window.finish()) == (False, "")


def test_json_stays_json() -> None:
    text = r'{"card": 4111111111111111, "to": "\u0034111111111111111", "note": "hi\nfoo@example.com", "n": 12}'
    masked = r'{"card": "[CARD]", "to": "[CARD]", "note": "hi\n[EMAIL]", "n": 12}'
    assert through([text], json=True)[0] == masked
    assert all(through([text[:at], text[at:]], json=True)[0] == masked for at in range(len(text)))


def test_a_key_without_an_end_is_swallowed_up_to_a_bound() -> None:
    text = "-----BEGIN " + "PRIVATE KEY-----" + "A" * 16_384 + " and on"
    assert through([text])[0] == "[SECRET] and on"
    assert through([text[start : start + 7] for start in range(0, len(text), 7)])[0] == "[SECRET] and on"


def test_what_a_rule_allows_is_no_finding() -> None:
    said, told = through(["shop@example.com but not bob@example.com"])
    assert (said, [kind for kind, _ in told]) == ("shop@example.com but not [EMAIL]", ["email"])
    assert through(["call +1 800 ", "555 0199", " or +1 415 555 2671"])[0] == "call +1 800 555 0199 or [PHONE]"


SIZE = 1_000_000
HOSTILE = {
    name: piece * (SIZE // len(piece))
    for name, piece in {
        "digits": "1 ", "groups": "4111 ", "words": "a", "ats": "a@", "domains": "a.", "pluses": "+1", "ibans": "DE89 ",
        "heads": "-----BEGIN ", "tokens": "eyJ.", "urls": "://a:b", "invisible": "1\u200b", "escapes": "\\",
        "phrases": "project ",
    }.items()
}  # fmt: skip


@pytest.mark.parametrize("json", [False, True])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_megabyte_comes_through(name: str, *, json: bool) -> None:
    """Were a rule worse than linear, it would take hours."""
    text = HOSTILE[name]
    said, _ = through([text[start : start + 8192] for start in range(0, len(text), 8192)], json=json)
    assert len(said) <= len(text)
