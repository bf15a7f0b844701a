"""Goes through a TensorFlow Lite file without LiteRT: does every part that it names lie within it.

A FlatBuffer is tables that name places: of tables, lists and texts. What is looked at stands in `_SHAPES`, by the
numbers of its fields in TensorFlow Lite's schema; the options of operators are left to who runs them.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class _Part(NamedTuple):
    """What a field names."""

    of: str = ""
    """A list of these tables; empty: of numbers."""
    width: int = 1
    """Bytes of a number."""
    told: str = ""


_SHAPES: Mapping[str, Mapping[int, _Part]] = {
    "model": {
        1: _Part("code", told="operator codes"),
        2: _Part("graph", told="graphs"),
        3: _Part(told="description"),
        4: _Part("buffer", told="buffers"),
    },
    "code": {1: _Part(told="an operator's name")},
    "graph": {
        0: _Part("tensor", told="tensors"),
        1: _Part(width=4, told="inputs"),
        2: _Part(width=4, told="outputs"),
        3: _Part("operator", told="operators"),
        4: _Part(told="a graph's name"),
    },
    "tensor": {0: _Part(width=4, told="a tensor's shape"), 3: _Part(told="a tensor's name")},
    "operator": {1: _Part(width=4, told="an operator's inputs"), 2: _Part(width=4, told="an operator's outputs")},
    "buffer": {0: _Part(told="weights")},
}
_BUFFER_OFFSET, _BUFFER_SIZE = 1, 2
"""Fields of weights that stand behind the FlatBuffer."""


def check_tflite(path: Path) -> None:
    """Raise ValueError for a file that is damaged or cut short; OSError."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        _FlatBuffer(data).check()


_TABLES = 1 << 20
"""Most parts of one file: operators, tensors, buffers."""


class _FlatBuffer:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._left = _TABLES
        """Tables that may still be named."""

    def check(self) -> None:
        """Every table from the first one on."""
        left = [("model", self._number("I", 0, "the model"), "the model")]
        while left:
            kind, at, told = left.pop()
            fields = self._fields(at, told)
            for number, part in _SHAPES[kind].items():
                if number < len(fields) and fields[number]:
                    left += self._named(at + fields[number], part)
            if kind == "buffer":
                self._check_behind(at, fields)

    def _fields(self, at: int, told: str) -> list[int]:
        """Where a table's fields stand in it, 0 for those that it has not."""
        table = at - self._number("i", at, told)
        size = self._number("H", table, told)
        self._need(table, size, told)
        return [self._number("H", place, told) for place in range(table + 4, table + size - 1, 2)]

    def _named(self, place: int, part: _Part) -> list[tuple[str, int, str]]:
        start = place + self._number("I", place, part.told)
        count = self._number("I", start, part.told)
        start += 4
        self._need(start, count * (4 if part.of else part.width), part.told)
        if not part.of:
            return []
        self._left -= count
        if self._left < 0:
            raise ValueError(f"it names more than {_TABLES} parts, or the same again and again")
        places = struct.unpack_from(f"<{count}I", self._data, start)
        return [(part.of, start + 4 * index + away, part.told) for index, away in enumerate(places)]

    def _check_behind(self, at: int, fields: list[int]) -> None:
        if len(fields) > _BUFFER_SIZE and fields[_BUFFER_OFFSET] and fields[_BUFFER_SIZE]:
            offset, size = (self._number("Q", at + fields[one], "weights") for one in (_BUFFER_OFFSET, _BUFFER_SIZE))
            if offset > 1:
                self._need(offset, size, "weights")

    def _number(self, layout: str, at: int, told: str) -> int:
        self._need(at, struct.calcsize("<" + layout), told)
        (value,) = struct.unpack_from("<" + layout, self._data, at)
        return value

    def _need(self, at: int, size: int, told: str) -> None:
        if at < 0 or at + size > len(self._data):
            raise ValueError(f"it has {len(self._data)} bytes, and {told} would stand at {at} to {at + size}")
