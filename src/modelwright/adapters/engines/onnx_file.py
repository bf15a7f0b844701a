"""What an ONNX file says of itself without any library: in what precision it is stored, which files hold its weights.

It reads the heads of fields alone and skips contents, so that it is quick for large files, and believes no length.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

_GRAPH, _OPSETS = 7, 8
"""Of ModelProto; the other numbers are those of the messages in it (onnx/onnx.proto)."""
_NODE, _INITIALIZER = 1, 5
_OP_TYPE = 4
_DATA_TYPE, _EXTERNAL = 2, 13
_KEY, _VALUE = 1, 2
_FLOATS = {1: "f32", 10: "f16", 11: "f64", 16: "bf16"}
"""TensorProto's types of floating point."""
_LONGEST_NAME = 4096
_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}
"""Wire types of a fixed size, in bytes."""


class OnnxFacts(msgspec.Struct, frozen=True):
    """Of one file."""

    precision: str
    """int8 once it quantises; otherwise that of its weights, such as f16, or several joined by `+`; f32 without any."""
    external: tuple[str, ...] = ()
    """Paths, relative to the file, of the files that hold its weights."""


class _Field(NamedTuple):
    number: int
    start: int
    """Where its content begins; of a number, the number itself."""
    end: int


def read_onnx(path: Path) -> OnnxFacts:
    """Raises OSError, and ValueError for what is no protobuf."""
    floats: set[str] = set()
    external: dict[str, None] = {}
    quantised = False
    with path.open("rb") as file:
        for graph in _fields(file, 0, file.seek(0, 2)):
            if graph.number != _GRAPH:
                continue
            for part in _fields(file, graph.start, graph.end):
                if part.number == _NODE:
                    quantised = quantised or _quantises(file, part)
                elif part.number == _INITIALIZER:
                    for field in _fields(file, part.start, part.end):
                        if field.number == _DATA_TYPE and field.start in _FLOATS:
                            floats.add(_FLOATS[field.start])
                        elif field.number == _EXTERNAL:
                            external.update(dict.fromkeys(_location(file, field)))
    return OnnxFacts("int8" if quantised else "+".join(sorted(floats)) or "f32", tuple(external))


def check_onnx(path: Path) -> None:
    """Raises ValueError for a file that is cut short or damaged, or whose weights are not beside it, and OSError."""
    with path.open("rb") as file:
        try:
            numbers = {field.number for field in _fields(file, 0, file.seek(0, 2))}
            external = read_onnx(path).external
        except ValueError as error:
            raise ValueError(f"{path.name} is cut short or damaged: {error}") from None
    if _OPSETS not in numbers:
        raise ValueError(f"{path.name} is cut short: it names no operator set")
    for name in external:
        if not (path.parent / name).is_file():
            raise ValueError(f"{path.name} keeps weights in {name!r}, which is not beside it")


def _quantises(file: BinaryIO, node: _Field) -> bool:
    ops = (_text(file, field) for field in _fields(file, node.start, node.end) if field.number == _OP_TYPE)
    return any("Quant" in op or "Integer" in op or op.startswith("QLinear") for op in ops)


def _location(file: BinaryIO, entry: _Field) -> Iterator[str]:
    """The file that an entry of `external_data` names, if it is about that."""
    texts = {field.number: _text(file, field) for field in _fields(file, entry.start, entry.end)}
    if texts.get(_KEY) == "location" and texts.get(_VALUE):
        yield texts[_VALUE]


def _text(file: BinaryIO, field: _Field) -> str:
    file.seek(field.start)
    return file.read(min(field.end - field.start, _LONGEST_NAME)).decode("utf-8", "replace")


def _fields(file: BinaryIO, start: int, end: int) -> Iterator[_Field]:
    """The fields of a message; raises ValueError when it is none."""
    while start < end:
        file.seek(start)
        tag = _varint(file)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value = _varint(file)
            start = file.tell()
            yield _Field(number, value, value)
            continue
        size = _varint(file) if wire == _BYTES else _FIXED.get(wire, -1)
        begin, start = file.tell(), file.tell() + size
        if size < 0 or start > end:
            raise ValueError("a field is longer than its message")
        yield _Field(number, begin, start)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError("a number has no end")
