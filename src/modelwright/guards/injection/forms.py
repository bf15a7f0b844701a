"""How the rules of injection are written, and what of a text is heard before any of them is tried."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase

import msgspec

from modelwright.guards.runs import table

_NEEDED = re.compile(r"<([a-z_]+)>")
_CLASS = re.compile(r"[<{]([a-z_]+)[>}]")
_FIRST = re.compile("[a-z]+")
_LETTERS = table({letter: letter for letter in ascii_lowercase})
_APOSTROPHE = "['\u2019]"


class Rule(msgspec.Struct, frozen=True):
    """One way of saying it."""

    name: str
    weight: int
    form: re.Pattern[str]
    leads: tuple[str, ...]
    """It begins with one of these."""
    needs: int
    """The classes of which a text must have a word each, as bits."""


class Rules:
    """All rules of some languages; made once."""

    def __init__(self, *languages: Language, besides: Iterable[bytes] = ()) -> None:
        """`besides`: words that somebody else wants to know of."""
        self.each: list[Rule] = []
        self._of_word: dict[bytes, int] = {}
        self._of_mark: dict[str, int] = {}
        self._of_piece: dict[str, dict[str, int]] = {}
        """By their first character. Marks are those of classes that are all ASCII."""
        bit = 1
        for language in languages:
            bits: dict[str, int] = {}
            for name, words in language.classes.items():
                bits[name] = bit
                self._learn(words, bit, in_pieces=language.in_pieces)
                bit <<= 1
            for name, weight, form in language.rows:
                self.each.append(language.rule(name, weight, form, bits=bits))
        self._known = frozenset({*self._of_word, *besides})
        self._heads = re.compile(f"[{''.join(self._of_piece)}]")

    def _learn(self, words: Sequence[str], bit: int, *, in_pieces: bool) -> None:
        if in_pieces:
            are_marks = all(word.isascii() for word in words)
            for word in words:
                pieces = self._of_mark if are_marks else self._of_piece.setdefault(word[0], {})
                pieces[word] = pieces.get(word, 0) | bit
            return
        for word in words:
            first = _first(word).encode()
            self._of_word[first] = self._of_word.get(first, 0) | bit

    def words(self, bare: bytes) -> frozenset[bytes]:
        """Those of a narrow text in lower case that are known: letters in a row."""
        return self._known.intersection(bare.translate(_LETTERS).split())

    def heard(self, text: str, words: frozenset[bytes]) -> int:
        """The classes that may have a word in this text."""
        bits = 0
        for word in words:
            bits |= self._of_word.get(word, 0)
        for mark, bit in self._of_mark.items():
            if mark in text:
                bits |= bit
        if not text.isascii():
            for head in set(self._heads.findall(text)):
                for piece, bit in self._of_piece[head].items():
                    if piece in text:
                        bits |= bit
        return bits

    def met(self, text: str, words: frozenset[bytes]) -> dict[str, int]:
        """The heaviest rule of each name that the text, in lower case, meets; `words`: the known ones in it."""
        heard = self.heard(text, words)
        found: dict[str, int] = {}
        for rule in self.each:
            if rule.needs & heard == rule.needs and found.get(rule.name, 0) < rule.weight and _meets(rule, text):
                found[rule.name] = rule.weight
        return found


class Language(msgspec.Struct, frozen=True):
    """Its classes of words, and its rules as rows of name, weight and form.

    In a form `<drop>` stands for a word of the class `drop`, and so does `{drop}` where the text need not have one: in
    a part that may be left out, or beside another way. A form begins with a class.
    """

    classes: Mapping[str, tuple[str, ...]]
    rows: tuple[tuple[str, int, str], ...]
    blank: str
    """What a blank in a form or a word stands for."""
    edge: str
    """Where a form begins."""
    in_pieces: bool
    """Words are looked for anywhere in a text, not between other letters."""

    def rule(self, name: str, weight: int, form: str, *, bits: Mapping[str, int]) -> Rule:
        """A row as it is tried on texts."""
        needed = _NEEDED.findall(form)
        needs = 0
        for each in needed:
            needs |= bits[each]
        pattern = _CLASS.sub(lambda found: self._pattern(found[1]), form.replace(" ", self.blank))
        firsts = self.classes[needed[0]]
        leads = dict.fromkeys(firsts if self.in_pieces else map(_first, firsts))
        return Rule(name, weight, re.compile(self.edge + pattern), tuple(leads), needs)

    def _pattern(self, name: str) -> str:
        words = "|".join(map(re.escape, sorted(self.classes[name], key=len, reverse=True)))
        return f"(?:{words})".replace("\\ ", self.blank).replace("'", _APOSTROPHE)


def _meets(rule: Rule, text: str) -> bool:
    match = rule.form.match
    for lead in rule.leads:
        at = text.find(lead)
        while at >= 0:
            if match(text, at) is not None:
                return True
            at = text.find(lead, at + 1)
    return False


def _first(word: str) -> str:
    found = _FIRST.match(word)
    if found is None:
        raise ValueError(f"{word!r} begins with no letter")
    return found[0]
