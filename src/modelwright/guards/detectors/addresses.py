"""Detector of e-mail addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from modelwright.guards.span import Span

EMAIL = "email"

_DOMAIN = re.compile(r"@(?:[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?\.){1,3}[A-Za-z]{2,24}(?![0-9A-Za-z-])")
_LOCAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._%+'-")
_LONGEST = 64
"""Characters before the @ (RFC 5321)."""


class Emails:
    """Looks at each @: what stands before and behind it."""

    def find(self, text: str, start: int) -> Iterator[Span]:
        """See Detector."""
        at = text.find("@", start)
        while at >= 0:
            found = _DOMAIN.match(text, at)
            if found is not None:
                begin = at
                while begin > start and at - begin < _LONGEST and text[begin - 1] in _LOCAL:
                    begin -= 1
                while begin < at and text[begin] in ".'%-":
                    begin += 1
                if begin < at:
                    yield Span(begin, found.end(), EMAIL, "[EMAIL]")
            at = text.find("@", at + 1)

    def held(self, text: str, start: int) -> int:
        """An address has no blank in it: it is part of the last run of characters, which is held in any case."""
        return len(text)
