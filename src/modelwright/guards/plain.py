"""Text as detectors read it: other digits, letters and blanks made plain, invisible characters out, positions kept."""

from __future__ import annotations

import re

SKIPPED = 8
"""Invisible characters in a row that are looked through; a longer run stays, and parts what it stands between."""

_INVISIBLE = (
    "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f"
)
_RUN = re.compile(f"[{_INVISIBLE}]+")
_LAST_RUN = re.compile(f"[{_INVISIBLE}]+\\Z")
_ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|.)?", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': "\ufffc"}
"""What stands for an escape of JSON. A quote inside a string must not look like one that ends it."""

_ZEROS = (
    "660 6f0 7c0 966 9e6 a66 ae6 b66 be6 c66 ce6 d66 de6 e50 ed0 f20 1040 1090 17e0 1810 1946 19d0 1a80 1a90 1b50 "
    "1bb0 1c40 1c50 a620 a8d0 a900 a9d0 a9f0 aa50 abf0 104a0 10d30 11066 110f0 11136 111d0 112f0 11450 114d0 "
    "11650 116c0 11730 118e0 11950 11c50 11d50 11da0 16a60 16ac0 16b50 1d7ce 1d7d8 1d7e2 1d7ec 1d7f6 1e140 1e2f0 "
    "1e950 1fbf0"
)
"""Code points of the digit zero of the world's scripts (Unicode 14, category Nd), nine others after each."""


def _plainer() -> dict[int, str]:
    """One character for one: positions stay."""
    table = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F) if chr(code) not in "，！？：；（）＂＇"}
    table |= dict.fromkeys(map(ord, "‐‑‒–—―−﹣"), "-")
    table |= dict.fromkeys(
        map(ord, "\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"), " "
    )
    for zero in _ZEROS.split():
        table |= {int(zero, 16) + digit: str(digit) for digit in range(10)}
    return table


_PLAINER = _plainer()
_LOW = "".join(re.escape(chr(code)) for code in _PLAINER if code <= 0xFFFF)
_MARKED = re.compile(f"[{_INVISIBLE.partition(chr(0xE0000))[0]}{_LOW}]")
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_HIGH = "".join(f"{chr(zero)}-{chr(zero + 9)}" for zero in (int(each, 16) for each in _ZEROS.split()) if zero > 0xFFFF)
_MARKED_BEYOND = re.compile(f"[\U000e0000-\U000e007f{_HIGH}]")
"""Apart, since sets of characters beyond 16 bits are looked through one by one."""

Positions = list[int] | None
"""Where each plain character stands in the text, and the text's length; None: nothing was moved."""


def plain(text: str, *, known: int = 0) -> tuple[str, Positions]:
    """The text as detectors read it; so many of its first characters are known to be as they should."""
    if text.isascii() or not _is_marked(text, known):
        return text, None
    even = text.translate(_PLAINER)
    if _RUN.search(even) is None:
        return even, None
    kept: list[str] = []
    positions: list[int] = []
    start = 0
    for run in _RUN.finditer(even):
        end = run.start() if run.end() - run.start() <= SKIPPED else run.end()
        kept.append(even[start:end])
        positions.extend(range(start, end))
        start = run.end()
    kept.append(even[start:])
    positions.extend(range(start, len(even) + 1))
    return "".join(kept), positions


def _is_marked(text: str, known: int) -> bool:
    if _MARKED.search(text, known) is not None:
        return True
    beyond = _BEYOND.search(text, known)
    return beyond is not None and _MARKED_BEYOND.search(text, beyond.start()) is not None


def plain_json(text: str) -> tuple[str, Positions]:
    """As `plain`, for a piece of JSON whose strings may be escaped."""
    if "\\" not in text:
        return plain(text)
    kept: list[str] = []
    positions: list[int] = []
    start = 0
    for escape in _ESCAPE.finditer(text):
        kept.append(text[start : escape.start()])
        positions.extend(range(start, escape.start() + 1))
        kept.append(_meant(escape[0]))
        start = escape.end()
    kept.append(text[start:])
    positions.extend(range(start, len(text) + 1))
    even, moved = plain("".join(kept))
    return even, positions if moved is None else [positions[index] for index in moved]


def unfinished_run(text: str) -> int:
    """Where the invisible characters begin with which the text ends; its length when it ends with none."""
    found = None if text.isascii() else _LAST_RUN.search(text, max(0, len(text) - SKIPPED))
    return found.start() if found else len(text)


def unfinished_escape(text: str) -> int:
    """Where an escape begins that the text's end cuts off; its length when there is none."""
    found = _UNFINISHED.search(text, max(0, len(text) - 64))
    return found.start(1) if found else len(text)


_UNFINISHED = re.compile(r"(?<!\\)(?:\\\\)*+(\\(?:u[0-9a-fA-F]{0,3})?)\Z")


def _meant(escape: str) -> str:
    if len(escape) == 6:
        letter = chr(int(f"0x{escape[2:]}", base=0))
        return "\ufffc" if letter == '"' else letter
    return _ESCAPED.get(escape[1:], escape[1:] or "\\")
