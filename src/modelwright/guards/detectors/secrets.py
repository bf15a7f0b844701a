"""Detector of secrets by their well-known shapes: keys of clouds and vendors, tokens, private keys, our own keys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_letters, digits

import msgspec

from modelwright.guards.runs import Run, narrow
from modelwright.guards.span import SEEN, WINDOW, Rest, Span

SECRET = "secret"  # noqa: S105 - a kind of finding
LABEL = "[SECRET]"

_TOKEN = Rest(re.compile(r"[0-9A-Za-z_+/=~-]*"))
_DOTTED = Rest(re.compile(r"[0-9A-Za-z_.-]*"))
_KEY_BLOCK = Rest(re.compile(r"-----END [A-Z0-9 ]{1,40}-----"), up_to=True)


class Shape(msgspec.Struct, frozen=True):
    """A kind of secret: the letters it is looked for by, and the form of its head, within WINDOW characters."""

    letters: str
    head: re.Pattern[str]
    """Its group, if it has one, is the secret itself."""
    rest: Rest | None = _TOKEN
    inside: bool = False
    """It may stand inside a word."""


def _shape(letters: str, head: str, *, rest: Rest | None = _TOKEN, inside: bool = False) -> Shape:
    return Shape(letters, re.compile(head), rest, inside)


_MIXED = r"(?=[0-9A-Za-z_-]{0,18}[0-9])(?=[0-9A-Za-z_-]{0,18}[A-Za-z])[0-9A-Za-z_-]{20}"
"""Twenty characters of a random key: words joined by hyphens are none."""

SHAPES: tuple[Shape, ...] = (
    *(
        _shape(f"A{kind}A", f"A{kind}A[A-Z0-9]{{16}}(?![0-9A-Za-z])", rest=None)
        for kind in ("KI", "SI", "GP", "ID", "RO", "NP")
    ),
    *(
        _shape(
            name,
            rf"""{name}["']?\s{{0,3}}[=:]\s{{0,3}}["']?([0-9A-Za-z/+]{{40}})(?![0-9A-Za-z/+])""",
            rest=None,
            inside=True,
        )
        for name in ("ecret_access_key", "ECRET_ACCESS_KEY", "SecretAccessKey")
    ),
    *(_shape(f"gh{kind}_", f"gh{kind}_[0-9A-Za-z]{{36}}") for kind in "pousr"),
    _shape("github_pat_", r"github_pat_[0-9A-Za-z_]{22}"),
    _shape("glpat-", r"glpat-[0-9A-Za-z_-]{20}"),
    _shape("sk-", rf"sk-{_MIXED}"),
    _shape("sk_live_", r"sk_live_[0-9A-Za-z]{16}"),
    _shape("sk_test_", r"sk_test_[0-9A-Za-z]{16}"),
    _shape("rk_live_", r"rk_live_[0-9A-Za-z]{16}"),
    _shape("xox", r"xox[abeoprs]-[0-9A-Za-z-]{10}"),
    _shape("xapp-", r"xapp-[0-9]-[0-9A-Z]{6}"),
    _shape("hooks.slack.com/services/", r"hooks\.slack\.com/services/T[0-9A-Z]{6,14}/B[0-9A-Z]{6,14}/[0-9A-Za-z]{16}"),
    _shape("AIza", r"AIza[0-9A-Za-z_-]{35}"),
    _shape("ya29.", r"ya29\.[0-9A-Za-z_-]{20}"),
    _shape("hf_", r"hf_[0-9A-Za-z]{30}"),
    _shape("npm_", r"npm_[0-9A-Za-z]{36}"),
    _shape("pypi-AgE", r"pypi-AgE[0-9A-Za-z_-]{40}"),
    _shape("SG.", r"SG\.[0-9A-Za-z_-]{20,24}\.[0-9A-Za-z_-]{20}"),
    _shape("LTAI", r"LTAI[0-9A-Za-z]{12,20}(?![0-9A-Za-z])", rest=None),
    _shape("AKID", r"AKID[0-9A-Za-z]{32}(?![0-9A-Za-z])", rest=None),
    _shape("AccountKey=", r"AccountKey=[0-9A-Za-z+/]{60}"),
    _shape("eyJ", r"eyJ[0-9A-Za-z_-]{8,200}\.eyJ[0-9A-Za-z_-]{6}", rest=_DOTTED),
    _shape("mw-", r"mw-[a-z2-7]{8}-[a-z2-7]{38,39}(?![0-9A-Za-z])", rest=None),
    _shape("-----BEGIN ", r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----", rest=_KEY_BLOCK, inside=True),
    _shape("://", r"://([0-9A-Za-z._~%!$&*+-]{1,64}:[0-9A-Za-z._~%!$&*+=-]{3,64})@", rest=None, inside=True),
)  # fmt: skip

_BROKEN = tuple(shape for shape in SHAPES if shape.letters in {"xapp-", "-----BEGIN ", "://"})
"""Not one run of the characters of keys, or a shorter one than every other."""
_BY_LETTERS = {shape.letters: shape for shape in SHAPES if shape not in _BROKEN}
_LETTERS = re.compile("|".join(map(re.escape, _BY_LETTERS)))
"""None of them begins with another."""
_KEYS = Run(f"{ascii_letters}{digits}_+/=~.-", 15)
"""Every other shape has so many of these characters in a row, its letters among them."""
_TAIL = re.compile(
    r"""(?:ecret_access_key|ECRET_ACCESS_KEY|SecretAccessKey)["']?\s{0,3}(?:[=:]\s{0,3}["']?[0-9A-Za-z/+]{0,40})?\Z"""
    r"|-----BEGIN [A-Z0-9 ]{0,64}-{0,5}\Z"
)
"""Shapes that have blanks in them; every other one is part of the last run of characters."""


class Secrets:
    """Looks for the first letters of each shape, which is quick where there are none."""

    def find(self, text: str, start: int) -> Iterator[Span]:
        """See Detector."""
        begin = max(0, start - SEEN)
        for shape in _BROKEN:
            at = text.find(shape.letters, begin)
            while at >= 0:
                yield from _at(shape, text, at, start=start)
                at = text.find(shape.letters, at + 1)
        for run, end in _KEYS.each(narrow(text), begin):
            found = _LETTERS.search(text, run, end)
            while found is not None:
                yield from _at(_BY_LETTERS[found[0]], text, found.start(), start=start)
                found = _LETTERS.search(text, found.start() + 1, end)

    def held(self, text: str, start: int) -> int:
        """See Detector."""
        found = _TAIL.search(text, max(start, len(text) - WINDOW))
        return found.start() if found else len(text)


def _at(shape: Shape, text: str, at: int, *, start: int) -> Iterator[Span]:
    """What is there, if it begins at `start` or later."""
    if shape.inside or not at or not _in_a_word(text[at - 1]):
        found = shape.head.match(text, at)
        group = shape.head.groups
        if found is not None and found.start(group) >= start:
            yield Span(found.start(group), found.end(group), SECRET, LABEL, shape.rest)


def _in_a_word(letter: str) -> bool:
    return (letter.isascii() and letter.isalnum()) or letter in "_-"
