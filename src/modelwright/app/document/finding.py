"""One thing wrong at a place of the tree, and how it becomes a fault of the file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from modelwright.app.document.tree import Node, Path, dotted
from modelwright.core.errors.tree import Fault


class Finding(NamedTuple):
    """A fault before anybody knows its file and line."""

    path: Path
    problem: str
    remedy: str
    nearest: str = ""
    on_key: bool = False
    """The key itself is at fault, not what it holds."""


def as_fault(finding: Finding, *, file: str, tree: Node) -> Fault:
    """With the line at which the tree holds its place."""
    return Fault(
        path=file,
        line=tree.line_of(finding.path, key=finding.on_key),
        key=dotted(finding.path),
        problem=finding.problem,
        remedy=finding.remedy,
        nearest=finding.nearest,
    )


def in_file_order(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Sorted by line, each once."""
    return tuple(sorted(set(faults), key=lambda fault: (fault.path, fault.line, fault.key, fault.problem)))
