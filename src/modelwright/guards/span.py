"""A finding in a text, and what a detector is: a rule whose every finding is decided by the text nearby alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

import msgspec

WINDOW = 256
"""Plain characters within which every finding is decided, so that a stream never has to wait for more."""
SEEN = 60
"""Plain characters before a place that may decide on what is found there."""


class Rest(msgspec.Struct, frozen=True):
    """What belongs to a finding from its end on, however long: the rest of a key whose head was found."""

    form: re.Pattern[str]
    up_to: bool = False
    """All up to and including the next text of this form; otherwise as much as is of this form."""
    most: int = 16_384
    """Characters; what comes after is not part of it."""

    def reach(self, text: str, at: int, left: int) -> tuple[int, bool]:
        """How far it goes on from this place of the text, `left` characters at most; whether more may come."""
        if self.up_to:
            marks = self.form.finditer(text, max(0, at - SEEN))
            end = next((mark.end() for mark in marks if mark.end() > at), 0)
            ends, open_ = end or len(text), not end
        else:
            found = self.form.match(text, at)
            ends = found.end() if found else at
            open_ = ends == len(text)
        return (ends, open_) if ends < at + left else (at + left, False)


class Span(msgspec.Struct, frozen=True):
    """From `start` up to `end` of the plain text."""

    start: int
    end: int
    kind: str
    label: str
    """What stands there instead once it is masked."""
    rest: Rest | None = None


class Detector(Protocol):
    """Finds some kinds of things.

    Whether something begins at a place depends on at most SEEN characters before it and, unless `held` says that more
    is to come, on at most WINDOW behind it: so the pieces of a stream give what the whole text gives.
    """

    def find(self, text: str, start: int) -> Iterator[Span]:
        """Everything that begins at `start` or later, in any order."""
        ...

    def held(self, text: str, start: int) -> int:
        """The first place from `start` on at which something may begin that the end of this text cuts off."""
        ...
