"""What a text says that wears a disguise: encoded, spelt out, with digits for letters, or in letters nobody sees."""

from __future__ import annotations

import base64
import binascii
import codecs
import re
from string import ascii_letters, ascii_lowercase, digits, hexdigits

from modelwright.guards.runs import Run, table

PIECES = 4
"""Encoded pieces of one text that are looked into."""

_BASE64 = re.compile(r"(?<![0-9A-Za-z+/=_-])[0-9A-Za-z+/_-]{24,4096}={0,2}(?![0-9A-Za-z+/=_-])")
_BASE64_RUN = Run(f"{ascii_letters}{digits}+/_-", 24)
_HEX = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}[ :]?){16,2048}(?![0-9a-fA-F])")
_HEX_RUN = Run(f"{hexdigits} :", 32)
_ROT13 = re.compile(r"\b(?:vtaber|qvfertneq|sbetrg|bireevqr|nal|naq|qvfpynvzref?|flfgrz|cebzcg|vafgehpgvbaf?)\b")
_SPACED = re.compile(r"\b(?:[a-z][ .\-_*]){6,}[a-z]\b")
_LEET = str.maketrans("013457@$", "oieastas")
_LEETY = re.compile(r"[a-z][013457@$][a-z]|[a-z]{2}[013457@$]")
_TAGS = re.compile("[\U000e0020-\U000e007e]{4,}")
"""Invisible letters that some models read."""
ROT13 = frozenset(
    b"vtaber qvfertneq sbetrg bireevqr nal naq qvfpynvzre qvfpynvzref flfgrz cebzcg vafgehpgvba vafgehpgvbaf".split()
)
_SIGNS = table({ascii_lowercase: "a", "013457@$": "0", " .-_*": "-"})
"""A letter, what stands for one, and what stands between letters that are spelt."""


def undisguised(text: str, *, even: str, bare: bytes, words: frozenset[bytes]) -> list[str]:
    """What encoded pieces of the text say, and the text without disguise, where it wears one.

    `even` is the text in lower case as detectors read it, `bare` that text narrow, `words` the known ones in it.
    """
    pieces: list[str] = []
    if _BASE64_RUN.seen(bare):
        for match in _BASE64.finditer(text):
            if len(pieces) < PIECES and (said := _from_base64(match[0])):
                pieces.append(said)
    if _HEX_RUN.seen(bare):
        for match in _HEX.finditer(text):
            if len(pieces) < 2 * PIECES and (said := _readable(bytes.fromhex(re.sub("[ :]", "", match[0])))):
                pieces.append(said)
    if not words.isdisjoint(ROT13) and _ROT13.search(even):
        pieces.append(codecs.decode(even, "rot13"))
    signs = bare.translate(_SIGNS)
    if b"a-a-a-a-a-a-a" in signs and (spelt := _SPACED.search(even)):
        pieces.append(re.sub(r"(?<=[a-z])[.\-_* ](?=[a-z]\b)", "", even[spelt.start() :]))
    if b"0" in signs and (b"a0a" in signs or b"aa0" in signs) and _LEETY.search(even):
        pieces.append(even.translate(_LEET))
    if not text.isascii() and (tags := _TAGS.search(text)):
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
