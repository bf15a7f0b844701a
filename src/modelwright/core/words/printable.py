"""Texts of others as a terminal may show them: what it would obey, or hide, is spelt out, and what is long is cut."""

from __future__ import annotations

import unicodedata

MOST = 500
"""Characters of one fact that are shown."""


def visible(text: str) -> str:
    """The text with its control characters, direction marks and the like spelt out; lines stay lines."""
    return "\n".join(one_line(line) for line in text.split("\n"))


def one_line(text: str) -> str:
    """Likewise, breaks of lines too."""
    if text.isprintable():
        return text
    return "".join(letter if _is_seen(letter) else _spelt(letter) for letter in text)


def in_short(text: str, most: int = MOST) -> str:
    """One line of at most so many characters, and how many more there are."""
    if len(text) <= most:
        return one_line(text)
    return f"{one_line(text[:most])}… ({len(text) - most} characters more)"


def in_json(text: str) -> str:
    """The same JSON, whose strings hold nothing that a terminal would obey."""
    return "\n".join("".join(map(_in_json, line)) if not line.isprintable() else line for line in text.split("\n"))


def _in_json(letter: str) -> str:
    if _is_seen(letter):
        return letter
    encoded = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{encoded[at : at + 4]}" for at in range(0, len(encoded), 4))


def _is_seen(letter: str) -> bool:
    return letter.isprintable() or unicodedata.category(letter) == "Zs"


def _spelt(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
