"""Detectors of numbers that name a person or an account: cards, IBANs, telephones, Chinese identity numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from string import ascii_letters, digits

from modelwright.guards.detectors.checksums import IBAN_LENGTHS, is_card, is_chinese_identity, is_iban
from modelwright.guards.runs import Run, narrow, table
from modelwright.guards.span import WINDOW, Span

CARD, IBAN, PHONE, CN_ID = "card", "iban", "phone", "cn_id"

_ZONE = re.compile(r"[0-9][0-9 .()/-]{8,}")
_ZONES = Run(f"{digits} .()/-", 9)
_GROUP = re.compile(r"[0-9]{3,}|(?<![0-9])(?<![0-9][ -])[0-9](?:[ -][0-9]){12,18}(?![0-9]|[ -][0-9])")
"""Where a number may begin: three digits in a row, or as many single ones as a card has."""
_CARD = re.compile(
    r"[0-9]{13,19}(?![0-9])|[0-9]{4}[ .-]?[0-9]{4}[ .-]?[0-9]{4}[ .-]?[0-9]{1,7}(?![0-9])"
    r"|[0-9]{4}[ .-][0-9]{6}[ .-][0-9]{4,5}(?![0-9])|[0-9](?:[ -][0-9]){12,18}(?![0-9]|[ -][0-9])"
)
_LONG_CARD = re.compile(r"[0-9]{4}[ .-](?:[0-9]{4}[ .-]){3}[0-9]{1,3}(?![0-9])")
_CN_ID = re.compile(
    r"[1-9][0-9]{5}[ -]?(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[ -]?[0-9]{3}[0-9Xx]"
    r"(?![0-9A-Za-z])"
)
_NATIONAL = re.compile(
    r"1[3-9][0-9]([ -]?)[0-9]{4}\1[0-9]{4}(?![0-9])"  # China, mobile
    r"|0[1-9][0-9]{1,2}-[0-9]{7,8}(?![0-9])"  # China, fixed
    r"|[2-9][0-9]{2}([ .-])[2-9][0-9]{2}\2[0-9]{4}(?![0-9])|[2-9][0-9]{2}\) ?[2-9][0-9]{2}[ .-][0-9]{4}(?![0-9])"
    r"|(?:00)?86[ -]?1[3-9][0-9]([ -]?)[0-9]{4}\3[0-9]{4}(?![0-9])"
)
_PLUS = re.compile(r"\+[1-9]")
_ABROAD = re.compile(r"(?<![0-9][ -])00[1-9]")
_IBAN = re.compile(r"[0-9]{2}[ -]?[0-9A-Za-z]{4}")
_KINDS, _COUNTRY = table({ascii_letters: "a", digits: "0"}), b"aa00"
_SEPARATORS = str.maketrans("", "", " .-")
_DIGITS = frozenset(digits)
_BETWEEN = frozenset(" .-/()")
_MOST = 15
"""Digits of a telephone number (E.164)."""
_ENOUGH = {"1": 11, "86": 13}
"""Digits after which a number of that country is complete; elsewhere eleven, at the end of a group."""

_TAIL = re.compile(
    r"[+(]{0,2}(?<![0-9])[0-9][0-9 ().\-/]*+[0-9A-Za-z]?\Z"
    r"|(?<![0-9A-Za-z])[A-Za-z]{2}[0-9]{2}(?:[ -]?[0-9A-Za-z]){0,31}+[ -]?\Z"
)
"""What the end of a text may cut off, beyond the last run of characters without a blank."""


class Numbers:
    """Cards, IBANs, telephones, identity numbers; only the kinds asked for."""

    def __init__(self, kinds: frozenset[str]) -> None:
        self._cards = CARD in kinds
        self._identities = CN_ID in kinds
        self._phones = PHONE in kinds
        self._ibans = IBAN in kinds

    def find(self, text: str, start: int) -> Iterator[Span]:
        """See Detector."""
        bare = narrow(text)
        zones = _ZONES.first(bare, start)
        for zone in _ZONE.finditer(text, zones) if zones >= 0 else ():
            for group in _GROUP.finditer(text, zone.start(), zone.end()):
                at = group.start()
                if not at or text[at - 1] not in _DIGITS:
                    yield from self._at(text, at)
        if self._phones and "+" in text:
            yield from _international(text, start)
        if self._ibans and (at := bare.translate(_KINDS).find(_COUNTRY, start)) >= 0:
            yield from _ibans(text, at)

    def _at(self, text: str, at: int) -> Iterator[Span]:
        """What begins at this group of digits."""
        if self._cards:
            for form in (_CARD, _LONG_CARD):
                found = form.match(text, at)
                if found is not None and is_card(found[0].translate(_SEPARATORS)):
                    yield Span(at, found.end(), CARD, "[CARD]")
        if self._identities:
            found = _CN_ID.match(text, at)
            if found is not None and is_chinese_identity(found[0].translate(_SEPARATORS)):
                yield Span(at, found.end(), CN_ID, "[CN_ID]")
        if self._phones:
            yield from _phone(text, at)

    def held(self, text: str, start: int) -> int:
        """See Detector."""
        found = _TAIL.search(text, max(start, len(text) - WINDOW))
        return found.start() if found else len(text)


def _phone(text: str, at: int) -> Iterator[Span]:
    found = _NATIONAL.match(text, at)
    if found is not None:
        before = at - 1 if at and text[at - 1] == "(" and found[0][3:4] == ")" else at
        yield Span(before, found.end(), PHONE, "[PHONE]")
    elif _ABROAD.match(text, at) and (end := _end_of_number(text, at + 2)):
        yield Span(at, end, PHONE, "[PHONE]")


def _international(text: str, start: int) -> Iterator[Span]:
    for plus in _PLUS.finditer(text, start):
        at = plus.start()
        if at and (text[at - 1].isalnum() or text[at - 1] == "+"):
            continue
        if end := _end_of_number(text, plus.end() - 1):
            yield Span(at, end, PHONE, "[PHONE]")


def _end_of_number(text: str, at: int) -> int:
    """Behind the last digit of a number whose country code begins here; 0 when this is none."""
    number, end, between = "", 0, 0
    for index in range(at, min(at + 32, len(text))):
        letter = text[index]
        if "0" <= letter <= "9":
            if between and len(number) >= _enough(number):
                break
            number += letter
            between, end = 0, index + 1
        elif letter in _BETWEEN and between < 2:
            between += 1
        else:
            break
    return end if 8 <= len(number) <= _MOST else 0


def _enough(number: str) -> int:
    return _ENOUGH["1"] if number[0] == "1" else _ENOUGH.get(number[:2], 11)


def _ibans(text: str, start: int) -> Iterator[Span]:
    found = _IBAN.search(text, start)
    while found is not None:
        at = found.start() - 2
        found = _IBAN.search(text, found.start() + 1)
        if at < start or (at and text[at - 1].isalnum() and text[at - 1].isascii()):
            continue
        length = IBAN_LENGTHS.get(text[at : at + 2].upper())
        end = _take(text, at, length) if length else 0
        if end and is_iban(text[at:end].translate(_SEPARATORS)):
            yield Span(at, end, IBAN, "[IBAN]")


def _take(text: str, at: int, count: int) -> int:
    """Behind so many letters and digits, single blanks or hyphens between them allowed; 0 when there are others."""
    end = at
    taken = 0
    while taken < count:
        if end >= len(text):
            return 0
        letter = text[end]
        if letter.isascii() and letter.isalnum():
            taken += 1
        elif letter not in " -" or text[end - 1] in " -":
            return 0
        end += 1
    return 0 if end < len(text) and text[end].isascii() and text[end].isalnum() else end
