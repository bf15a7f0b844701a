import json

import pytest

from modelwright.core.words.printable import in_json, in_short, one_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größer, 更好 👍", "größer, 更好 👍"),
        ("a\u00a0b\u3000c", "a\u00a0b\u3000c"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b31m", "\\x9b31m"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("exe.\u202egpj", "exe.\\u202egpj"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_spelt_out(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_lines_stay_lines_where_they_may() -> None:
    assert visible("a\n\x1bb\n") == "a\n\\x1bb\n"


def test_what_is_long_is_cut_and_said_to_be() -> None:
    assert in_short("x" * 500) == "x" * 500
    assert in_short("\x1b" + "x" * 600, 3) == "\\x1bxx… (598 characters more)"


@pytest.mark.parametrize("text", ["größer", "\x9b31m", "\u202e", "\U000e0001", "\x7f"])
def test_json_stays_the_same_json(text: str) -> None:
    shown = in_json(json.dumps({"a": text}, ensure_ascii=False, indent=2))
    assert json.loads(shown) == {"a": text}
    assert all(line.isprintable() for line in shown.split("\n"))
