"""Reads an XGBoost file before the library does, which ends or hangs the process that loads a damaged one.

Both forms are gone through without recursion: depth and every length are bounded by the file itself. Then the places
that trees, their classes and their categories name are looked at, since the library follows them wherever they lead.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelwright.core.wire.unreadable import UNREADABLE

DEPTH = 64
"""Of objects and lists in each other: a model has eight."""
_IS_JSON = re.compile(rb'\s*\{\s*"')
_SIGN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_SIZES = {"i": 1, "U": 1, "C": 1, "I": 2, "l": 4, "d": 4, "L": 8, "D": 8, "Z": 0, "T": 0, "F": 0}
"""Bytes of UBJSON's values, by type."""
_DTYPES = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "d": ">f4", "L": ">i8", "D": ">f8"}
_MOST_CATEGORIES = 1 << 24
"""What the library counts to with its 32-bit floats."""
Numbers = NDArray[Any]


class _Tree(msgspec.Struct):
    """What is looked at in a tree; in JSON the rest is skipped."""

    left_children: list[int]
    right_children: list[int]
    parents: list[int]
    split_indices: list[int]
    categories: list[int] = []
    categories_nodes: list[int] = []
    categories_segments: list[int] = []
    categories_sizes: list[int] = []


class _Model(msgspec.Struct):
    trees: list[_Tree] = []
    tree_info: list[int] = []


class _Booster(msgspec.Struct):
    model: _Model | None = None
    gbtree: _Booster | None = None


class _Shape(msgspec.Struct):
    num_feature: str = "0"
    num_class: str = "0"
    num_target: str = "0"


class _Learner(msgspec.Struct):
    gradient_booster: _Booster
    learner_model_param: _Shape


class _Document(msgspec.Struct):
    learner: _Learner


_document = msgspec.json.Decoder(_Document)


class _Open(NamedTuple):
    """A UBJSON object, or a list, that has not ended."""

    values: Any
    length: int = -1
    """Elements of a list that says how many it has."""


def check_xgboost(content: bytes) -> None:
    """Raise ValueError for what is damaged, or made to crash who loads it."""
    _check_trees(_json(content) if _IS_JSON.match(content) else _Ubjson(content).document())


def _json(content: bytes) -> Any:
    depth = 0
    for found in _SIGN.finditer(content):
        sign = found[0][:1]
        if sign in b"[{":
            depth += 1
            if depth > DEPTH:
                raise _too_deep(found.start())
        elif sign in b"]}":
            depth -= 1
    try:
        return _document.decode(content)
    except msgspec.ValidationError as error:
        raise ValueError(f"it is no model: {error}") from None
    except UNREADABLE:
        try:  # once more by a reader that knows NaN and Infinity, as the library does
            return msgspec.convert(json.loads(content), _Document)
        except ValueError as error:
            raise ValueError(f"it cannot be read: {error}") from None


class _Ubjson:
    """A cursor over the form that `save_model` writes as .ubj."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def document(self) -> Any:
        """All of it; lists of numbers are arrays. Raises ValueError."""
        whole: list[Any] = []
        inside = [_Open(whole, 1)]
        while inside:
            values, length = inside[-1]
            if isinstance(values, list):
                items = cast("list[Any]", values)
                if len(items) == length or (length < 0 and self._ends("]")):
                    inside.pop()
                    continue
                value = self._value(inside)
                items.append(value)
            elif self._ends("}"):
                inside.pop()
            else:
                key = self._text()
                values[key] = self._value(inside)
        return whole[0]

    def _value(self, inside: list[_Open]) -> Any:
        kind = self._sign()
        if kind == "{":
            return self._opened(_Open({}), inside)
        if kind == "[":
            return self._list(inside)
        if kind == "S":
            return self._text()
        if kind not in _SIZES:
            raise ValueError(f"at byte {self._at - 1} stands {kind!r}, which begins no value")
        return self._numbers(kind, 1)[0] if kind in _DTYPES else self._skipped(_SIZES[kind])

    def _list(self, inside: list[_Open]) -> Any:
        if self._ends("$"):
            kind = self._sign()
            if kind not in _DTYPES or self._sign() != "#":
                raise ValueError(f"at byte {self._at - 1} stands no list of numbers")
            return self._numbers(kind, self._length())
        return self._opened(_Open([], self._length() if self._ends("#") else -1), inside)

    def _opened(self, new: _Open, inside: list[_Open]) -> Any:
        if len(inside) > DEPTH:
            raise _too_deep(self._at)
        inside.append(new)
        return new.values

    def _numbers(self, kind: str, count: int) -> Numbers:
        start = self._at
        self._skipped(_SIZES[kind] * count)
        return np.frombuffer(self._content, _DTYPES[kind], count, start)

    def _text(self) -> str:
        size = self._length()
        start = self._at
        self._skipped(size)
        return self._content[start : self._at].decode("utf-8", "replace")

    def _length(self) -> int:
        if self._sign() != "L":
            raise ValueError(f"at byte {self._at - 1} stands no length")
        start = self._at
        self._skipped(8)
        (length,) = struct.unpack_from(">q", self._content, start)
        if not 0 <= length <= len(self._content):
            raise ValueError(f"at byte {start} stands the length {length}; the file has {len(self._content)} bytes")
        return length

    def _sign(self) -> str:
        start = self._at
        self._skipped(1)
        return chr(self._content[start])

    def _ends(self, sign: str) -> bool:
        """Whether that is next; if so it is passed."""
        if self._content[self._at : self._at + 1] != sign.encode():
            return False
        self._at += 1
        return True

    def _skipped(self, size: int) -> None:
        if self._at + size > len(self._content):
            raise ValueError(f"it is cut short: it has {len(self._content)} bytes, and goes on at {self._at}")
        self._at += size


def _too_deep(at: int) -> ValueError:
    return ValueError(f"at byte {at} more than {DEPTH} objects and lists are in each other")


def _check_trees(document: Any) -> None:
    learner = _map(_map(document).get("learner"))
    booster = _map(learner.get("gradient_booster"))
    model = _map(_map(booster.get("gbtree", booster)).get("model"))
    shape = _map(learner.get("learner_model_param"))
    trees = [_map(tree) for tree in _list(model.get("trees", []), "trees")]
    if not trees:
        return
    sizes = [len(_array(tree, "left_children")) for tree in trees]
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    _check_nodes(trees, sizes, starts, features=_count(shape, "num_feature"))
    groups = max(1, _count(shape, "num_class"), _count(shape, "num_target"))
    groups_of = _array(model, "tree_info")
    if len(groups_of) != len(trees) or (len(groups_of) and not _within(groups_of, groups).all()):
        raise ValueError("tree_info names an answer that the model does not have")
    for number, tree in enumerate(trees):
        _check_categories(number, tree, sizes[number])


def _check_nodes(trees: Sequence[Mapping[str, Any]], sizes: Sequence[int], starts: Numbers, *, features: int) -> None:
    """Of all trees at once: every child is a node of its tree and knows its parent, so that nothing goes in circles."""
    parts = {
        name: _joined(trees, name, sizes) for name in ("left_children", "right_children", "parents", "split_indices")
    }
    left, right, parents = parts["left_children"], parts["right_children"], parts["parents"]
    first = np.repeat(starts, sizes)
    count = np.repeat(np.asarray(sizes), sizes)
    node = np.arange(len(left)) - first
    inner = left != -1
    bad = inner & ~(_within(left, count) & _within(right, count) & (left > 0) & (right > 0))
    bad |= (node > 0) & ~_within(parents, count)
    _refuse(bad, starts)
    for child in (left, right):
        away = np.zeros(len(left), bool)
        away[inner] = parents[first[inner] + child[inner]] != node[inner]
        _refuse(away, starts)
    if features:
        _refuse(inner & ~_within(parts["split_indices"], features), starts)


def _check_categories(number: int, tree: Mapping[str, Any], nodes: int) -> None:
    if "categories" not in tree:
        return
    known, owners, begins, lengths = (
        _array(tree, name) for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    )
    good = len(owners) == len(begins) == len(lengths) and bool(
        _within(known, _MOST_CATEGORIES).all()
        and _within(owners, nodes).all()
        and _within(begins, len(known) + 1).all()
        and _within(lengths, len(known) + 1).all()
        and (begins + lengths <= len(known)).all()
    )
    if not good:
        raise ValueError(f"tree {number} names a category that it does not have")


def _refuse(bad: Numbers, starts: Numbers) -> None:
    if bad.any():
        place = int(np.argmax(bad))
        tree = int(np.searchsorted(starts, place, side="right")) - 1
        raise ValueError(f"node {place - int(starts[tree])} of tree {tree} names a place that there is not")


def _within(values: Numbers, most: Any) -> Numbers:
    return (values >= 0) & (values < most)


def _joined(trees: Sequence[Mapping[str, Any]], name: str, sizes: Sequence[int]) -> Numbers:
    arrays = [_array(tree, name) for tree in trees]
    wrong = next((at for at, array in enumerate(arrays) if len(array) != sizes[at]), None)
    if wrong is not None:
        raise ValueError(f"tree {wrong} has {sizes[wrong]} nodes and {len(arrays[wrong])} {name}")
    return np.concatenate(arrays)


def _array(fields: Mapping[str, Any], name: str) -> Numbers:
    try:
        found = np.asarray(fields[name])
        if found.ndim == 1 and (found.dtype.kind in "iu" or not found.size):
            return found.astype(np.int64)
    except (KeyError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} is no list of whole numbers")


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 - the file's fault, as all others here
    return cast("list[Any]", value)


def _map(value: Any) -> Mapping[str, Any]:
    """An object's members, whichever of both readers has read it."""
    if isinstance(value, msgspec.Struct):
        return {name: one for name in value.__struct_fields__ if (one := getattr(value, name)) is not None}
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _count(fields: Mapping[str, Any], name: str) -> int:
    try:
        return int(fields.get(name, "0"))
    except (TypeError, ValueError):
        raise ValueError(f"{name} is no whole number") from None
