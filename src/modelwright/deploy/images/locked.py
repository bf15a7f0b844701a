"""The locked requirements of one set of extras, out of the lock of all of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

_NAME = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._]*")


def blocks(lock: str) -> dict[str, str]:
    """By name, each requirement with the lines that go on with it (its hashes)."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if not line.startswith((" ", "#", "\n")):
            match = _NAME.match(line)
            name = match[0].lower() if match else ""
        if name and line.strip() and not line.lstrip().startswith("#"):
            found[name] = found.get(name, "") + line
    return found


def locked(lock: str, names: Collection[str]) -> str:
    """The lock, as far as it is about these names; in its own order."""
    return "".join(block for name, block in blocks(lock).items() if name in names)


def wanted(closures: dict[str, list[str]], extras: Iterable[str]) -> set[str]:
    """What these extras need: `closures` has the names of all requirements by extra, "" being none of them.

    Raises KeyError for an extra that it does not know.
    """
    return {name for extra in ("", *extras) for name in closures[extra]}
