"""Scores how much a text looks like an attempt to take a model over: rules of two languages, pure and of linear time.

It is no proof: it finds what is said in ways that are known. The weights and the threshold are chosen on the part of
the labelled set that may be looked at; what they do on the part held out is what `make bench WHAT=guards` prints.
"""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.guards.injection.disguise import undisguised
from modelwright.guards.injection.forms import Hit
from modelwright.guards.injection.rules import rules
from modelwright.guards.injection.scripts import simplified
from modelwright.guards.plain import plain
from modelwright.guards.runs import narrow

THRESHOLD = 8
"""Score at which a text counts as an attempt, unless the manifest says otherwise."""
READ = 8192
"""Characters of one text that are scored at once; a longer one is scored in pieces of this size."""
_OVERLAP = 1024
Score = tuple[int, tuple[str, ...]]
"""What all rules say together, and their names."""
_LEAST = 4
"""What an encoded piece must say more than, for that."""
NEAR = 400
"""Characters within which what rules say is added up."""
_ENCODED_EXTRA = 4
"""Added to what an encoded piece says: who hides an instruction means it."""


def score(text: str) -> Score:
    """How much a text looks like an attempt, and the names of the rules that say so."""
    return max(scores(text))


def scores(text: str) -> Iterator[Score]:
    """Of its pieces, one after the other, of which the worst counts: others may have their turn in between."""
    for start in range(0, max(1, len(text) - _OVERLAP), READ - _OVERLAP):
        yield _score(text[start : start + READ])


def _score(text: str) -> Score:
    even = simplified(plain(text)[0].lower())
    bare = narrow(even)
    known = rules()
    words = known.words(bare)
    worst = _worst(known.hits(even, words))
    for piece in undisguised(text, even=even, bare=bare, words=words):
        said = piece.lower()
        total, names = _worst(known.hits(said, known.words(narrow(said))))
        if total > max(worst[0], _LEAST):
            worst = total + _ENCODED_EXTRA, (*names, "encoded")
    return worst


def _worst(hits: set[Hit]) -> Score:
    """The place at which rules of different names say most together: their weights, and their names."""
    worst: Score = (0, ())
    ordered = sorted(hits)
    for first, (start, _, _) in enumerate(ordered):
        near: dict[str, int] = {}
        for at, name, weight in ordered[first:]:
            if at > start + NEAR:
                break
            near[name] = max(near.get(name, 0), weight)
        worst = max(worst, (sum(near.values()), tuple(sorted(near))))
    return worst
