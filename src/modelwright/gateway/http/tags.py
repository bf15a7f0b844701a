"""The header `x-modelwright-tags: task=summary,team=search`: a client's own words for its ledger row, bounded."""

from __future__ import annotations

import re

from modelwright.core.errors.calls import Malformed

MOST = 16
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_VALUE = re.compile(r"[^,=\x00-\x1f\x7f]{1,128}")


def read_tags(value: bytes) -> dict[str, str]:
    """Tags by name; raises Malformed for anything but at most sixteen short `name=value`, separated by commas."""
    try:
        parts = value.decode().split(",")
    except UnicodeDecodeError:
        raise _malformed("it is not UTF-8") from None
    if len(parts) > MOST:
        raise _malformed(f"it has {len(parts)} tags, at most {MOST} are kept")
    found: dict[str, str] = {}
    for part in parts:
        name, _, text = (word.strip() for word in part.partition("="))
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(text):
            raise _malformed(f"{part[:64]!r} is not name=value")
        found[name] = text
    return found


def _malformed(problem: str) -> Malformed:
    return Malformed(
        f"the header x-modelwright-tags cannot be read: {problem}",
        hint="send it as task=summary,team=search: names of a-z 0-9 _ . - up to 32, values up to 128 characters",
        param="x-modelwright-tags",
    )
