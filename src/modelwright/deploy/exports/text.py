"""Small tools for writing files that people read: blocks of lines, moved in, with words that YAML takes as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*(?::[A-Za-z0-9_./-]+)*")
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n", "~"))


def moved(lines: Iterable[str], by: int) -> str:
    """Every line that is not empty by so many blanks to the right."""
    return "".join(f"{' ' * by}{line}\n" if line else "\n" for line in lines)


def comment(lines: Iterable[str], *, sign: str = "#") -> list[str]:
    """Each line behind the sign."""
    return [f"{sign} {line}".rstrip() for line in lines]


def quoted(text: str) -> str:
    """A YAML scalar; in quotes unless it can be nothing but a text."""
    plain = _PLAIN.fullmatch(text) and text.casefold() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
