"""Which known word somebody meant; a suggestion, and whether it is sure enough to be written into the file."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

_SUGGEST = 0.6
_SURE = 0.75
_MARGIN = 0.1


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is most like this one; empty when none is like it."""
    ranked = _ranked(word, known)
    return ranked[0][1] if ranked and ranked[0][0] >= _SUGGEST else ""


def surely_meant(word: str, known: Iterable[str]) -> str:
    """The known word that is meant beyond doubt: very like, and no second one comes near; empty otherwise."""
    ranked = _ranked(word, known)
    if not ranked or ranked[0][0] < _SURE:
        return ""
    if len(ranked) > 1 and ranked[1][0] > ranked[0][0] - _MARGIN:
        return ""
    return ranked[0][1]


def _ranked(word: str, known: Iterable[str]) -> list[tuple[float, str]]:
    """Best first; of equals the first by alphabet, so that the answer never depends on order."""
    pairs = {(_likeness(word, candidate), candidate) for candidate in known}
    return sorted(pairs, key=lambda pair: (-pair[0], pair[1]))


def _likeness(word: str, candidate: str) -> float:
    """Case, hyphens and underscores aside; the matcher is not symmetric, so both ways are taken."""
    one, other = (text[:100].lower().replace("-", "_") for text in (word, candidate))
    return max(SequenceMatcher(None, one, other).ratio(), SequenceMatcher(None, other, one).ratio())
