"""Reads a manifest's bytes into a tree with lines, bounded and by YAML 1.2; it knows no key of the schema."""

from __future__ import annotations

import warnings
from pathlib import Path as FilePath
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from modelwright.app.document.tree import Node, Path, dotted, scalar
from modelwright.core.errors.tree import Fault

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_NODES = 50_000
"""Values after aliases are followed: a file that says more by anchors is an attack or a mistake."""
_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = {
    f"{_TAG}{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map", "merge", "value", "timestamp")
}


class DocumentError(Exception):
    """The file cannot be read as YAML; nothing more can be said about it."""

    def __init__(self, problem: str, *, remedy: str, line: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy
        self.line = line

    def fault(self, path: str) -> Fault:
        """As a fault of the file, as the user named it."""
        return Fault(path=path, line=self.line, key="", problem=self.problem, remedy=self.remedy)


def read_bytes(path: FilePath) -> bytes:
    """The file's content; raises DocumentError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DocumentError(
            "there is no such file", remedy="name a manifest with -f, or write modelwright.yaml"
        ) from None
    except IsADirectoryError:
        raise DocumentError("this is a directory", remedy="name the file in it, such as modelwright.yaml") from None
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", remedy="let this user read it") from None
    if len(content) > MAX_BYTES:
        raise DocumentError("larger than 1 MiB", remedy="a manifest names files, it does not hold them")
    return content


def read_text(content: bytes) -> str:
    """The text; raises DocumentError that names the line."""
    nul = content.find(b"\0")
    if nul >= 0:
        raise DocumentError("a NUL byte", remedy="save the file as plain text in UTF-8", line=_line_at(content, nul))
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = _line_at(content, error.start)
        raise DocumentError("bytes that are not UTF-8", remedy="save the file in UTF-8", line=line) from None


def parse(text: str) -> tuple[Node, list[Fault]]:
    """The tree, and what is wrong but can be left out (`path` of these faults is empty); raises DocumentError."""
    composed = _compose(text)
    if composed is None:
        raise DocumentError("the file is empty", remedy="begin with `schema: 1` and `name: …`")
    grower = _Grower()
    tree = grower.grow(composed)
    if not isinstance(tree.value, dict):
        raise DocumentError(
            f"the top of the file is {'a list' if isinstance(tree.value, list) else 'a single value'}, not keys",
            remedy="begin with `schema: 1` and `name: …`",
            line=tree.line,
        )
    return tree, grower.faults


def _compose(text: str) -> Any:
    yaml = YAML(typ="rt", pure=True)
    yaml.max_depth = MAX_DEPTH
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)
            return yaml.compose(text)
    except MaxDepthExceededError as error:
        raise DocumentError(f"nested deeper than {MAX_DEPTH} levels", remedy="flatten it", line=_mark(error)) from None
    except MarkedYAMLError as error:
        raise _syntax(error, text) from None
    except YAMLError as error:
        raise DocumentError(
            f"a character that YAML does not allow: {str(error).splitlines()[0]}", remedy="remove it", line=0
        ) from None
    except (RecursionError, ValueError, AttributeError) as error:
        raise DocumentError(f"not readable as YAML ({error})", remedy="write plain YAML") from None


def _syntax(error: MarkedYAMLError, text: str) -> DocumentError:
    line = _mark(error)
    lines = text.split("\n")
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in shown[: len(shown) - len(shown.lstrip())] or "'\\t'" in str(error.problem):
        return DocumentError("a tab indents this line", remedy="indent with spaces", line=line)
    problem = str(error.problem or error.context or "not readable")
    if "another document" in problem:
        return DocumentError("a second document begins", remedy="keep one document in the file", line=line)
    if "undefined alias" in problem:
        return DocumentError(f"{problem.removeprefix('found ')}", remedy="define the anchor above it", line=line)
    context = f" ({error.context})" if error.context and error.problem else ""
    return DocumentError(
        f"not readable as YAML: {problem}{context}",
        remedy="check indentation, quotes and brackets here and in the line above",
        line=line,
    )


def _mark(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark is not None else 0


def _line_at(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


class _Grower:
    """Turns ruamel's graph of nodes into our tree, following aliases within bounds."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self._count = 0

    def grow(self, node: Any, *, path: Path = (), key: Any = None, ancestors: tuple[int, ...] = ()) -> Node:
        here = node.start_mark.line + 1
        self._count += 1
        if self._count > MAX_NODES:
            problem = f"more than {MAX_NODES} values (aliases followed)"
            raise DocumentError(problem, remedy="use fewer anchors", line=here)
        if id(node) in ancestors:
            raise DocumentError("an alias leads into itself", remedy="remove the alias", line=here)
        if str(node.tag) not in _KNOWN_TAGS:
            self._blame(path, here, problem=f"the tag {node.tag} is not supported", remedy="write a plain value")
        above = (*ancestors, id(node))
        key_line, column = (key.start_mark.line + 1, key.start_mark.column) if key is not None else (0, -1)
        if isinstance(node, ScalarNode):
            nothing = node.value == "" and node.style in {None, ""}  # its mark is at the next word of the file
            return Node(_scalar(node), key_line or here if nothing else here, key_line, column)
        if isinstance(node, SequenceNode):
            items = [self.grow(child, path=(*path, index), ancestors=above) for index, child in enumerate(node.value)]
            return Node(items, key_line or here, key_line, column)
        return Node(self._mapping(node, path=path, ancestors=above), key_line or here, key_line, column)

    def _mapping(self, node: MappingNode, *, path: Path, ancestors: tuple[int, ...]) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        inherited: dict[str, Node] = {}
        for key, child in node.value:
            line = key.start_mark.line + 1
            if str(key.tag) == f"{_TAG}merge":
                inherited.update(self._merge_key(child, path=path, key=key, ancestors=ancestors))
            elif not isinstance(key, ScalarNode) or key.value == "":
                self._blame(path, line, problem="a key that is no word", remedy="write keys as plain words")
            elif key.value in entries:
                problem = f"`{key.value}` stands here twice, first in line {entries[key.value].key_line}"
                self._blame((*path, key.value), line, problem=problem, remedy="keep one")
            else:
                entries[key.value] = self.grow(child, path=(*path, key.value), key=key, ancestors=ancestors)
        return {**{name: value for name, value in inherited.items() if name not in entries}, **entries}

    def _merge_key(self, node: Any, *, path: Path, key: Any, ancestors: tuple[int, ...]) -> dict[str, Node]:
        """`<<: *anchor` or a list of them, the first of which wins."""
        found: dict[str, Node] = {}
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(source, MappingNode):
                line = key.start_mark.line + 1
                problem = "`<<` takes a map, or a list of maps"
                self._blame((*path, "<<"), line, problem=problem, remedy="write `<<: *anchor`")
                continue
            grown = self.grow(source, path=path, key=key, ancestors=ancestors).value
            if isinstance(grown, dict):
                found = {**grown, **found}
        return found

    def _blame(self, path: Path, line: int, *, problem: str, remedy: str) -> None:
        self.faults.append(Fault(path="", line=line, key=dotted(path), problem=problem, remedy=remedy))


def _scalar(node: ScalarNode) -> Any:
    """Quoted text stays text; a plain one is read by the core schema, whatever `%YAML` says."""
    said_to_be_text = node.ctag.handle is not None and str(node.tag) == f"{_TAG}str"
    if node.style in {"'", '"', "|", ">"} or said_to_be_text:
        return node.value
    return scalar(node.value)
