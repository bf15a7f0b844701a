"""Scores how much a text looks like an attempt to take a model over: rules of two languages, pure and of linear time.

It is no proof: it finds what is said in ways that are known. The weights and the threshold are chosen on the part of
the labelled set that may be looked at; what they do on the part held out is what `make bench WHAT=guards` prints.
"""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.guards.injection.disguise import undisguised
from modelwright.guards.injection.rules import RULES
from modelwright.guards.plain import plain
from modelwright.guards.runs import narrow

THRESHOLD = 8
"""Score at which a text counts as an attempt, unless the manifest says otherwise."""
READ = 65_536
"""Characters of one text that are scored; a longer one is scored in pieces of this size."""
_OVERLAP = 512
_ENCODED_EXTRA = 4
"""Added to what an encoded piece says: who hides an instruction means it."""


def score(text: str) -> tuple[int, tuple[str, ...]]:
    """How much a text looks like an attempt, and the names of the rules that say so."""
    return max(scores(text))


def scores(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Of its pieces, one after the other, of which the worst counts: others may have their turn in between."""
    for start in range(0, max(1, len(text)), READ - _OVERLAP):
        yield _score(text[start : start + READ])


def _score(text: str) -> tuple[int, tuple[str, ...]]:
    even = plain(text)[0].lower()
    bare = narrow(even)
    words = RULES.words(bare)
    found = RULES.met(even, words)
    hidden: dict[str, int] = {}
    for piece in undisguised(text, even=even, bare=bare, words=words):
        said = piece.lower()
        for name, weight in RULES.met(said, RULES.words(narrow(said))).items():
            hidden[name] = max(hidden.get(name, 0), weight)
    if hidden:
        hidden["encoded"] = _ENCODED_EXTRA
        for name, weight in hidden.items():
            found[name] = max(found.get(name, 0), weight)
    return sum(found.values()), tuple(sorted(found))
