"""Looks into a skops file without skops: is its list of parts whole, and how large does it become."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import msgspec

from modelwright.adapters.engines.zip_bounds import check_unpacked, open_zip, read_member
from modelwright.core.wire.unreadable import UNREADABLE

SCHEMA = "schema.json"
MOST_SCHEMA = 64 << 20
"""Bytes of the list of parts; a forest of a thousand trees has some millions."""


def check_skops(path: Path) -> None:
    """Raise ValueError for a file that is damaged, or becomes too large when it is loaded; OSError."""
    with path.open("rb") as file, open_zip(file) as archive:
        names = set(archive.namelist())
        if SCHEMA not in names:
            raise ValueError(f"it holds no {SCHEMA}")
        text = read_member(archive, SCHEMA, most=MOST_SCHEMA + 1)
        if len(text) > MOST_SCHEMA:
            raise ValueError(f"its {SCHEMA} is larger than {MOST_SCHEMA} bytes")
        parts = _parts(text)
        missing = next((name for name in parts if name not in names), None)
        if missing is not None:
            raise ValueError(f"it lacks {missing[:200]!r}, which its {SCHEMA} names")
        check_unpacked(archive, size=path.stat().st_size, reads=parts)


def _parts(text: bytes) -> list[str]:
    """Members that are read when it is loaded, each as often as it is."""
    try:
        left: list[Any] = [msgspec.json.decode(text)]
    except UNREADABLE as error:
        raise ValueError(f"its {SCHEMA} is no JSON: {error}") from None
    found: list[str] = []
    while left:
        one = left.pop()
        if isinstance(one, dict):
            fields = cast("dict[str, Any]", one)
            left += fields.values()
            if isinstance(name := fields.get("file"), str):
                found.append(name)
        elif isinstance(one, list):
            left += cast("list[Any]", one)
    return found
