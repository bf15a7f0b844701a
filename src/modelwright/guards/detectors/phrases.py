"""Detector of words, phrases and shapes that a manifest names; none of them can be made to run for ever."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from modelwright.guards.span import WINDOW, Span

LONGEST = 128
"""Characters of a phrase."""
WILD = {"#": "[0-9]", "?": "[0-9A-Za-z]", "*": r"[^\s]{0,16}"}
"""In a shape: a digit, a letter or digit, up to 16 characters without a blank."""

_BLANK = r"\s{1,3}"
_START, _END = r"(?<![0-9A-Za-z_])", r"(?![0-9A-Za-z_])"
_Trie: TypeAlias = "dict[str, _Trie]"
_STOP = ""
_OVER = r"\Z"


def refused(phrase: str) -> str:
    """Why a phrase or shape cannot be used; empty when it can."""
    if not phrase.strip():
        return "is empty"
    if len(phrase) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if len(phrase) + 15 * phrase.count("*") > WINDOW - 8:
        return "has too many `*`"
    return "holds nothing but `*`" if not phrase.strip("* ") else ""


class Phrases:
    """All phrases of one rule, in any case; a blank stands for up to three blanks or line breaks."""

    def __init__(self, kind: str, *, words: Sequence[str], shapes: Sequence[str] = (), label: str = "") -> None:
        self._kind = kind
        self._label = label or f"[{kind.rpartition('.')[2].upper()}]"
        trie: _Trie = {}
        for tokens in [
            *(_tokens(word, wild=False) for word in words),
            *(_tokens(shape, wild=True) for shape in shapes),
        ]:
            node = trie
            for token in tokens:
                node = node.setdefault(token, {})
            node[_STOP] = {}
        self._form = re.compile(_expression(trie), re.IGNORECASE)
        self._begun = re.compile(_beginning(trie), re.IGNORECASE)

    def find(self, text: str, start: int) -> Iterator[Span]:
        """See Detector."""
        found = self._form.search(text, start)
        while found is not None:
            yield Span(found.start(), found.end(), self._kind, self._label)
            found = self._form.search(text, found.start() + 1)

    def held(self, text: str, start: int) -> int:
        """See Detector."""
        found = self._begun.search(text, max(start, len(text) - WINDOW))
        return found.start() if found else len(text)


def _tokens(phrase: str, *, wild: bool) -> list[str]:
    """Pieces of a regular expression that match without a choice."""
    phrase = " ".join(phrase.split()).lower()
    tokens = [
        _BLANK if letter == " " else WILD[letter] if wild and letter in WILD else re.escape(letter) for letter in phrase
    ]
    if _is_letter(phrase[0]) or (wild and phrase[0] in "#?"):
        tokens[0] = _START + tokens[0]
    if _is_letter(phrase[-1]) or (wild and phrase[-1] in "#?"):
        tokens.append(_END)
    return tokens


def _is_letter(letter: str) -> bool:
    return letter.isascii() and letter.isalnum()


def _expression(trie: _Trie) -> str:
    """The longest phrase at a place wins."""
    pieces = [token + _expression(node) for token, node in trie.items() if token != _STOP]
    if _STOP in trie:
        pieces.append("")
    return pieces[0] if len(pieces) == 1 else f"(?:{'|'.join(pieces)})"


def _beginning(trie: _Trie) -> str:
    """What a text ends with when a phrase has begun and is not over."""
    pieces = [token + rest for token, node in trie.items() if token != _STOP and (rest := _beginning_of(node))]
    return f"(?:{'|'.join(pieces)})" if pieces else "(?!)"


def _beginning_of(trie: _Trie) -> str:
    pieces = [token + _beginning_of(node) for token, node in trie.items() if token not in {_STOP, _END}]
    return f"(?:{'|'.join([_OVER, *pieces])})"
