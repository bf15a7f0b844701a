"""Scores how much a text looks like an attempt to take a model over: rules of two languages, pure and of linear time.

It is no proof: it finds what is said in ways that are known. The weights and the threshold are chosen on the part of
the labelled set that may be looked at; what they do on the part held out is what `make bench WHAT=guards` prints.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re

from modelwright.guards.injection.rules import RULES
from modelwright.guards.plain import plain

THRESHOLD = 8
"""Score at which a text counts as an attempt, unless the manifest says otherwise."""
READ = 65_536
"""Characters of one text that are scored; a longer one is scored in pieces of this size."""
_OVERLAP = 512
_DECODED = 4
"""Encoded pieces of one text that are looked into."""
_ENCODED_EXTRA = 4
"""Added to what an encoded piece says: who hides an instruction means it."""


_WORD = re.compile(r"[a-z][a-z']*")
_BASE64 = re.compile(r"(?<![0-9A-Za-z+/=_-])[0-9A-Za-z+/_-]{24,4096}={0,2}(?![0-9A-Za-z+/=_-])")
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}[ :]?){16,2048}(?![0-9a-fA-F])")
_ROT13 = re.compile(r"\b(?:vtaber|qvfertneq|sbetrg|bireevqr|nal|naq|qvfpynvzref?|flfgrz|cebzcg|vafgehpgvbaf?)\b")
_SPACED = re.compile(r"\b(?:[a-z][ .\-_*]){6,}[a-z]\b")
_LEET = str.maketrans("013457@$", "oieastas")
_LEETY = re.compile(r"[a-z][013457@$][a-z]|[a-z]{2}[013457@$]")
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
"""Invisible letters that some models read."""


def score(text: str) -> tuple[int, tuple[str, ...]]:
    """How much a text looks like an attempt, and the names of the rules that say so."""
    worst: tuple[int, tuple[str, ...]] = (0, ())
    for start in range(0, max(1, len(text)), READ - _OVERLAP):
        worst = max(worst, _score(text[start : start + READ]))
    return worst


def _score(text: str) -> tuple[int, tuple[str, ...]]:
    even, _ = plain(text)
    even = even.lower()
    found = _found(even)
    hidden: dict[str, int] = {}
    for piece in _decoded(text, even):
        for name, weight in _found(piece.lower()).items():
            hidden[name] = max(hidden.get(name, 0), weight)
    if hidden:
        hidden["encoded"] = _ENCODED_EXTRA
        for name, weight in hidden.items():
            found[name] = max(found.get(name, 0), weight)
    return sum(found.values()), tuple(sorted(found))


def _found(text: str) -> dict[str, int]:
    """The heaviest rule of each name."""
    found: dict[str, int] = {}
    words = set(_WORD.findall(text))
    for rule in RULES:
        if any(words.isdisjoint(group) for group in rule.words):
            continue
        if rule.signs and not any(sign in text for sign in rule.signs):
            continue
        if found.get(rule.name, 0) < rule.weight and rule.form.search(text) is not None:
            found[rule.name] = rule.weight
    return found


def _decoded(text: str, even: str) -> list[str]:
    """What encoded pieces of the text say, and the text without disguise, where it wears one."""
    pieces: list[str] = []
    for match in _BASE64.finditer(text):
        if len(pieces) < _DECODED and (said := _from_base64(match[0])):
            pieces.append(said)
    for match in _HEX.finditer(text):
        if len(pieces) < 2 * _DECODED and (said := _readable(bytes.fromhex(re.sub("[ :]", "", match[0])))):
            pieces.append(said)
    if _ROT13.search(even):
        pieces.append(codecs.decode(even, "rot13"))
    if spelt := _SPACED.search(even):
        pieces.append(re.sub(r"(?<=[a-z])[.\-_* ](?=[a-z]\b)", "", even[spelt.start() :]))
    if _LEETY.search(even):
        pieces.append(even.translate(_LEET))
    if tags := _TAGS.search(text):
        pieces.append("".join(chr(ord(letter) - 0xE0000) for letter in tags[0]))
    return pieces


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
