"""How the rules of injection are written, and what of a text is heard before any of them is tried."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import ascii_lowercase

import msgspec

from modelwright.guards.runs import table

_NEEDED = re.compile(r"<([a-z_]+)>")
_CLASS = re.compile(r"[<{]([a-z_]+)[>}]")
_PART = re.compile("[a-z]+")
_LETTERS = table({letter: letter for letter in ascii_lowercase})
_APOSTROPHE = "['\u2019]"


Hit = tuple[int, str, int]
"""The place in the text, the rule's name and its weight."""
MOST = 8
"""Places of one rule in a text that are looked at."""


class Rule(msgspec.Struct, frozen=True):
    """One way of saying it."""

    name: str
    weight: int
    form: re.Pattern[str]
    lead: int
    """The class that it begins with, as a bit."""
    needs: int
    """The classes of which a text must have a word each, as bits."""


class _Word(msgspec.Struct, frozen=True):
    """A word or phrase of a class."""

    bit: int
    first: str
    """What is looked for to find its place."""
    all: frozenset[bytes]


class Heard:
    """The classes that a text may have words of, and where to look for those."""

    __slots__ = ("bits", "leads")

    def __init__(self) -> None:
        self.bits = 0
        self.leads: dict[int, set[str]] = {}

    def note(self, bit: int, lead: str) -> None:
        """One more word."""
        self.bits |= bit
        self.leads.setdefault(bit, set()).add(lead)


class Rules:
    """All rules of some languages; made once."""

    def __init__(self, *languages: Language, besides: Iterable[bytes] = ()) -> None:
        """`besides`: words that somebody else wants to know of."""
        self.each: list[Rule] = []
        self._words: dict[bytes, list[_Word]] = {}
        """By their longest part, which is rarer than the others."""
        self._marks: list[tuple[str, int]] = []
        """Of classes that are all ASCII and looked for in pieces."""
        self._pieces: dict[str, list[tuple[str, int]]] = {}
        """By their first character."""
        bit = 1
        for language in languages:
            bits: dict[str, int] = {}
            for name, words in language.classes.items():
                bits[name] = bit
                self._learn(words, bit, in_pieces=language.in_pieces)
                bit <<= 1
            for name, weight, form in language.rows:
                self.each.append(language.rule(name, weight, form, bits=bits))
        self._by_lead: dict[int, list[Rule]] = {}
        for rule in self.each:
            self._by_lead.setdefault(rule.lead, []).append(rule)
        parts = {part for words in self._words.values() for word in words for part in word.all}
        self._known = frozenset({*parts, *besides})
        self._heads = re.compile(f"[{''.join(map(re.escape, self._pieces))}]")

    def _learn(self, words: Sequence[str], bit: int, *, in_pieces: bool) -> None:
        if in_pieces and all(word.isascii() for word in words):
            self._marks.extend((word, bit) for word in words)
        elif in_pieces:
            for word in words:
                self._pieces.setdefault(word[0], []).append((word, bit))
        else:
            for word in words:
                parts = [part.encode() for part in _PART.findall(word)]
                known = self._words.setdefault(max(parts, key=len), [])
                known.append(_Word(bit, parts[0].decode(), frozenset(parts)))

    def words(self, bare: bytes) -> frozenset[bytes]:
        """Those of a narrow text in lower case that are known: letters in a row."""
        return self._known.intersection(bare.translate(_LETTERS).split())

    def heard(self, text: str, words: frozenset[bytes]) -> Heard:
        """What may be said in this text; `words` are the known ones in it."""
        heard = Heard()
        for each in words & self._words.keys():
            for word in self._words[each]:
                if word.all <= words:
                    heard.note(word.bit, word.first)
        for mark, bit in self._marks:
            if mark in text:
                heard.note(bit, mark)
        if not text.isascii():
            for head in set(self._heads.findall(text)):
                for piece, bit in self._pieces[head]:
                    if piece in text:
                        heard.note(bit, piece)
        return heard

    def hits(self, text: str, words: frozenset[bytes]) -> set[Hit]:
        """Where a text in lower case meets rules, and which; `words`: the known ones in it."""
        heard = self.heard(text, words)
        bits = heard.bits
        return {
            (at, rule.name, rule.weight)
            for lead, words_there in heard.leads.items()
            for rule in self._by_lead.get(lead, ())
            if rule.needs & bits == rule.needs
            for at in _places(rule, text, words_there)
        }


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
    """Where a word begins and ends."""
    in_pieces: bool
    """Words are looked for anywhere in a text, not between other letters."""

    def rule(self, name: str, weight: int, form: str, *, bits: Mapping[str, int]) -> Rule:
        """A row as it is tried on texts."""
        needed = _NEEDED.findall(form)
        needs = 0
        for each in needed:
            needs |= bits[each]
        pattern = _CLASS.sub(lambda found: self._pattern(found[1]), form.replace(" ", self.blank))
        return Rule(name, weight, re.compile(self.edge + pattern), bits[needed[0]], needs)

    def _pattern(self, name: str) -> str:
        words = "|".join(map(re.escape, sorted(self.classes[name], key=len, reverse=True)))
        return f"(?:{words}){self.edge}".replace("\\ ", self.blank).replace("'", _APOSTROPHE)


def _places(rule: Rule, text: str, leads: Iterable[str]) -> Iterator[int]:
    """Where the form is, the first few times."""
    match = rule.form.match
    left = MOST
    for lead in leads:
        at = text.find(lead)
        while at >= 0 and left:
            if match(text, at) is not None:
                yield at
                left -= 1
            at = text.find(lead, at + 1)
