"""Renames keys in the text of a file and leaves every other character alone; it does not know which keys are right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Renaming:
    """One key, where it stands and what it becomes."""

    line: int
    """1-based."""
    column: int
    """0-based, in characters; of the opening quote when the key has one."""
    old: str
    new: str


def renamed(text: str, renamings: Iterable[Renaming]) -> tuple[str, tuple[Renaming, ...]]:
    """The text with the keys renamed, and those renamings whose key does stand there as it was written."""
    lines = text.split("\n")
    done: list[Renaming] = []
    for one in sorted(set(renamings), key=lambda each: (each.line, each.column), reverse=True):
        line = lines[one.line - 1] if 0 < one.line <= len(lines) else ""
        start = one.column + (line[one.column : one.column + 1] in {'"', "'"})
        if line[start : start + len(one.old)] == one.old:
            lines[one.line - 1] = line[:start] + one.new + line[start + len(one.old) :]
            done.append(one)
    return "\n".join(lines), tuple(reversed(done))
