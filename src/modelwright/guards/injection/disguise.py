"""What a text says that wears a disguise: encoded, spelt out, backwards, or with digits for letters."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from collections.abc import Iterator
from html import unescape
from itertools import islice
from string import ascii_letters, ascii_lowercase, digits, hexdigits
from urllib.parse import unquote

from modelwright.guards.injection.scripts import readings
from modelwright.guards.runs import Run, table

PIECES = 4
"""Encoded pieces of one text that are looked into, of each encoding."""
ROT13 = frozenset(
    b"vtaber qvfertneq sbetrg bireevqr nal naq qvfpynvzre qvfpynvzref flfgrz cebzcg vafgehpgvba vafgehpgvbaf".split()
)
BACKWARDS = frozenset(b"erongi snoitcurtsni tpmorp metsys dragersid selur".split())
"""Words that tell such a text."""

_BASE64 = re.compile(r"(?<![0-9A-Za-z+/=_-])[0-9A-Za-z+/_-]{24,4096}={0,2}(?![0-9A-Za-z+/=_-])")
_BASE64_RUN = Run(f"{ascii_letters}{digits}+/_-", 24)
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}[ :]?){16,2048}(?![0-9a-fA-F])")
_HEX_RUN = Run(f"{hexdigits} :", 32)
_ROT13 = re.compile(rf"\b(?:{'|'.join(sorted(word.decode() for word in ROT13))})\b")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}){4,}")
_ENTITY = re.compile(r"&#x?[0-9a-fA-F]{2,6};")
_SPACED = re.compile(r"\b(?:[a-z][ .\-_*]{1,2}){6,}[a-z]\b")
_GAPS = (b"-a-a-a-", b"-a--a-a-", b"-a-a--a-", b"-a--a--a-")
"""Three of the letters that are spelt."""
_LEET = str.maketrans("013457@$", "oieastas")
_LEETY = re.compile(r"[a-z][013457@$][a-z]|[a-z]{2}[013457@$]")
_BACKWARDS_WIDE = re.compile("令指|词示提|则规")
_SIGNS = table({ascii_lowercase: "a", "013457@$": "0", " .-_*": "-"})
"""A letter, what stands for one, and what stands between letters that are spelt."""


def undisguised(text: str, *, even: str, bare: bytes, words: frozenset[bytes]) -> Iterator[str]:
    """What encoded pieces of the text say, and the text without disguise, where it wears one.

    `even` is the text in lower case as detectors read it, `bare` that text narrow, `words` the known ones in it.
    """
    yield from _encoded(text, bare)
    if not words.isdisjoint(ROT13) and _ROT13.search(even):
        yield codecs.decode(even, "rot13")
    signs = bare.translate(_SIGNS)
    if b"-a-a-" in signs or b"-a--a-" in signs:
        yield from _spelt(even, signs)
    if b"0" in signs and (b"a0a" in signs or b"aa0" in signs) and _LEETY.search(even):
        yield even.translate(_LEET)
    if not words.isdisjoint(BACKWARDS):
        yield even[::-1]
    if not text.isascii():
        yield from readings(text, even)
        if _BACKWARDS_WIDE.search(even):
            yield even[::-1]


def _encoded(text: str, bare: bytes) -> Iterator[str]:
    if _BASE64_RUN.seen(bare):
        yield from _first(_from_base64(match[0]) for match in _BASE64.finditer(text))
    if _HEX_RUN.seen(bare):
        yield from _first(_readable(bytes.fromhex(re.sub("[ :]", "", match[0]))) for match in _HEX.finditer(text))
    if b"%" in bare and _PERCENT.search(text):
        yield unquote(text, errors="replace")
    if b"&#" in bare and _ENTITY.search(text):
        yield unescape(text)


def _spelt(even: str, signs: bytes) -> Iterator[str]:
    if any(gaps in signs for gaps in _GAPS) and (spelt := _SPACED.search(even)):
        yield _together(even[spelt.start() :], spelt[0])


def _first(said: Iterator[str]) -> Iterator[str]:
    """The first few that are texts."""
    return islice(filter(None, said), PIECES)


def _together(text: str, spelt: str) -> str:
    """Letters that are spelt joined to words: by other marks than blanks, or by single ones where words stand apart."""
    if any(mark in spelt for mark in ".-_*"):
        return re.sub(r"(?<=[a-z])[.\-_*](?=[a-z])", "", text)
    if "  " in spelt:
        return re.sub(r"(?<![a-z]{2})(?<=[a-z]) (?=[a-z]\b)", "", text)
    return re.sub(r"(?<=[a-z]) (?=[a-z]\b)", "", text)


def _from_base64(text: str) -> str:
    even = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _readable(base64.b64decode(even + "=" * (-len(even) % 4)))
    except (binascii.Error, ValueError):
        return ""


def _readable(content: bytes) -> str:
    """Text, if it is one."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return ""
    return text if all(letter.isprintable() or letter in "\n\t\r" for letter in text) else ""
