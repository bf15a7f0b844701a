"""Whether an answer tells the system message: by runs of words that both have, in pieces as they come."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable

RUN = 8
"""Words, or Chinese characters, in a row that count as one in common."""
ENOUGH = 16
"""Runs in common that make a leak: some 23 words. Of a shorter message three quarters of its runs."""

_TOKEN = re.compile(r"[0-9a-z']+|[\u4e00-\u9fff]")
_OPEN = re.compile(r"[0-9a-z']{1,64}\Z")


class Told:
    """The system messages of one call."""

    __slots__ = ("enough", "runs")

    def __init__(self, messages: Iterable[str], *, known: Iterable[str] = ()) -> None:
        """`known` are words within them that the client has given: to say those again tells nothing."""
        self.runs = _runs(messages) - _runs(known)
        self.enough = min(ENOUGH, max(1, len(self.runs) * 3 // 4))


def _runs(texts: Iterable[str]) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for text in texts:
        tokens = _TOKEN.findall(text.lower())
        found.update(tuple(tokens[at : at + RUN]) for at in range(len(tokens) - RUN + 1))
    return found


class Listener:
    """Follows one text; what it has heard is the same however the pieces are cut."""

    __slots__ = ("_found", "_last", "_open", "_told")

    def __init__(self, told: Told) -> None:
        self._told = told
        self._last: deque[str] = deque(maxlen=RUN)
        self._found: set[tuple[str, ...]] = set()
        self._open = ""

    def hear(self, piece: str, *, end: bool = False) -> bool:
        """Take the next piece; whether the message has been told by now."""
        text = self._open + piece.lower()
        found = None if end else _OPEN.search(text, max(0, len(text) - 64))
        self._open = found[0] if found else ""
        for token in _TOKEN.findall(text[: found.start()] if found else text):
            self._last.append(token)
            run = tuple(self._last)
            if run in self._told.runs:
                self._found.add(run)
        return bool(self._told.runs) and len(self._found) >= self._told.enough
