"""The manifest as a tree that knows its lines, before anybody asks what it means; merging of overlays, pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]
"""Keys and list positions from the top of the file."""
Scalar = str | int | float | bool | None

_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,100}")
_OCTAL_OR_HEX = re.compile(r"0o[0-7]{1,100}|0x[0-9a-fA-F]{1,100}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Node:
    """A value and where it stands."""

    value: Scalar | dict[str, Node] | list[Node]
    line: int
    """1-based; of a map or list below a key the key's line, since that is where people look."""
    key_line: int = 0
    """Line of the key that leads here; 0 without one."""
    key_column: int = -1
    """0-based, in characters; of the key's quote when it has one."""

    def at(self, path: Path) -> Node | None:
        """The node below; None when there is none."""
        node: Node | None = self
        for step in path:
            node = node.child(step) if node is not None else None
        return node

    def child(self, step: str | int) -> Node | None:
        """One step down; None when there is nothing."""
        if isinstance(self.value, dict):
            return self.value.get(str(step))
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def children(self) -> Iterator[tuple[str | int, Node]]:
        """Key or position, and node; nothing for a scalar."""
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from enumerate(self.value)

    def line_of(self, path: Path, *, key: bool = False) -> int:
        """Line of the deepest node on the way; with `key` that of its key."""
        node = self
        for step in path:
            below = node.child(step)
            if below is None:
                return node.line
            node = below
        return node.key_line or node.line if key else node.line


def plain(node: Node) -> Any:
    """The value without its lines."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def leaves(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every scalar with its path, in file order."""
    if isinstance(node.value, dict | list):
        for step, child in node.children():
            yield from leaves(child, (*path, step))
    else:
        yield path, node


def without(node: Node, path: Path) -> Node:
    """A copy that lacks what stands at `path`; the same node when nothing stands there."""
    below = node.child(path[0]) if path else None
    if below is None:
        return node
    rest = [(step, child) for step, child in node.children() if step != path[0]]
    if len(path) > 1:
        rest = [(step, without(child, path[1:]) if step == path[0] else child) for step, child in node.children()]
    value = {str(step): child for step, child in rest} if isinstance(node.value, dict) else [child for _, child in rest]
    return Node(value, node.line, node.key_line, node.key_column)


def mapped(node: Node, change: Callable[[Path, Node], Scalar], path: Path = ()) -> Node:
    """A copy in which every scalar has the value that `change` gives it."""
    if isinstance(node.value, dict):
        content: Any = {key: mapped(child, change, (*path, key)) for key, child in node.value.items()}
    elif isinstance(node.value, list):
        content = [mapped(child, change, (*path, index)) for index, child in enumerate(node.value)]
    else:
        content = change(path, node)
    return Node(content, node.line, node.key_line, node.key_column)


@dataclass(slots=True)
class Merge:
    """What a merge has to say beside its result."""

    vain: list[Path] = field(default_factory=list)
    """Nulls that found nothing to delete."""


def merged(under: Node, over: Node, *, notes: Merge | None = None, path: Path = ()) -> Node:
    """`over` laid upon `under`: maps merge, null deletes, everything else replaces; each value keeps its own line."""
    if not isinstance(under.value, dict) or not isinstance(over.value, dict):
        return _stripped(over)
    value = dict(under.value)
    for key, child in over.value.items():
        here = (*path, key)
        if child.value is None:
            if value.pop(key, None) is None and notes is not None:
                notes.vain.append(here)
        elif key in value:
            value[key] = merged(value[key], child, notes=notes, path=here)
        else:
            value[key] = _stripped(child)
    return Node(value, under.line, under.key_line, under.key_column)


def _stripped(node: Node) -> Node:
    """A new map has nothing that its nulls could delete."""
    if not isinstance(node.value, dict):
        return node
    kept = {key: _stripped(child) for key, child in node.value.items() if child.value is not None}
    return Node(kept, node.line, node.key_line, node.key_column)


def scalar(text: str) -> Scalar:
    """What a plain text means by YAML 1.2's core schema: `off`, `no` and dates stay words."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL_OR_HEX.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text.replace(".inf", "inf").replace(".Inf", "inf").replace(".INF", "inf").replace(".nan", "nan")
                     .replace(".NaN", "nan").replace(".NAN", "nan"))  # fmt: skip
    return text


def dotted(path: Path) -> str:
    """`models.digits.source`, `providers.pool.keys[0]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def as_mapping(node: Node | None) -> Mapping[str, Node]:
    """The children of a map; nothing for anything else."""
    return node.value if node is not None and isinstance(node.value, dict) else {}
