"""Turns V2 input data into arrays that are safe to hand to an engine; everything is checked before any native call.

Each error names the tensor, what is wrong with it and what to send instead. It reads no frames and writes no answers.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from modelwright.core.errors.calls import Malformed, TooLarge, Unprocessable
from modelwright.core.ports.engines import Array, Signature, TensorSpec
from modelwright.core.wire.unreadable import UNREADABLE
from modelwright.core.wire.v2 import ITEM_BYTES, RequestInput
from modelwright.core.words.counting import count_of
from modelwright.serving.execution import Tensors

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "INT8": np.dtype("i1"),
    "UINT8": np.dtype("u1"),
    "INT16": np.dtype("<i2"),
    "UINT16": np.dtype("<u2"),
    "FP16": np.dtype("<f2"),
    "INT32": np.dtype("<i4"),
    "UINT32": np.dtype("<u4"),
    "FP32": np.dtype("<f4"),
    "INT64": np.dtype("<i8"),
    "UINT64": np.dtype("<u8"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
"""The wire is little-endian."""

_SCALARS: dict[str, Any] = {"b": bool, "i": int, "u": int, "f": float, "O": str}
_WORDS = {"b": "true or false", "i": "whole numbers", "u": "whole numbers", "f": "numbers", "O": "strings"}


class TensorsReader:
    """Reads all inputs of a request for one model."""

    def __init__(self, signature: Signature, *, max_rows: int, max_bytes: int) -> None:
        self._readers = {spec.name: InputReader(spec, max_bytes=max_bytes) for spec in signature.inputs}
        self._batches = signature.batches
        self._fixed = all(-1 not in spec.shape[1:] for spec in signature.inputs)
        self._max_rows = max_rows

    def read(self, given: list[RequestInput], rest: memoryview) -> Tensors:
        """The inputs as arrays; `rest` holds the binary ones, in the order given. Raises Malformed."""
        arrays: dict[str, Array] = {}
        for item in given:
            reader = self._readers.get(item.name)
            if reader is None:
                raise _unknown(item.name, self._readers)
            if item.name in arrays:
                raise _malformed(item.name, "is given twice", "send each input once")
            arrays[item.name], size = reader.read(item, rest)
            rest = rest[size:]
        return self.complete(arrays, rest)

    def reader(self, name: str) -> InputReader:
        """Of one input; raises Malformed for one that the model does not take."""
        found = self._readers.get(name)
        if found is None:
            raise _unknown(name, self._readers)
        return found

    def complete(self, arrays: dict[str, Array], rest: memoryview | bytes = b"") -> Tensors:
        """A request's inputs together, after which no bytes may follow; raises Malformed."""
        self._complete(arrays, rest)
        return Tensors(
            arrays=arrays,
            rows=self._rows(arrays),
            nbytes=sum(array.nbytes for array in arrays.values()),
            key=() if self._fixed else tuple(arrays[name].shape[1:] for name in self._readers),
        )

    def _complete(self, arrays: dict[str, Array], rest: memoryview | bytes) -> None:
        if len(arrays) != len(self._readers):
            missing = next(name for name in self._readers if name not in arrays)
            raise _malformed(missing, "is missing", f"send all of {', '.join(self._readers)}")
        if rest:
            raise Malformed(
                f"{len(rest)} bytes follow the last tensor", hint="let binary_data_size count all bytes of each input"
            )

    def _rows(self, arrays: dict[str, Array]) -> int:
        if not self._batches:
            return 1
        first, *others = arrays.items()
        rows: int = first[1].shape[0]
        for name, array in others:
            if array.shape[0] != rows:
                raise _malformed(
                    name, f"has {array.shape[0]} rows, input {first[0]!r} has {rows}", "send as many rows of each input"
                )
        if rows > self._max_rows:
            raise _malformed(
                first[0],
                f"has {rows} rows, at most {self._max_rows} are taken at once",
                "send several requests, or raise batching.queue_rows",
            )
        return rows


class InputReader:
    """Reads the data of one input."""

    def __init__(self, spec: TensorSpec, *, max_bytes: int) -> None:
        self.name = spec.name
        self._spec = spec
        self._max_bytes = max_bytes
        self._dtype = DTYPES[spec.datatype]
        self._kind = self._dtype.kind
        self._item = ITEM_BYTES.get(spec.datatype, 4)
        self._takes = f"the model takes {spec.datatype} of shape {list(spec.shape)}"
        nested: Any = list[_SCALARS[self._kind]]
        self._decoders = [msgspec.json.Decoder(nested)]
        for _ in spec.shape[1:]:
            nested = list[nested]
            self._decoders.append(msgspec.json.Decoder(nested))

    def read(self, given: RequestInput, rest: memoryview) -> tuple[Array, int]:
        """The array, in the shape that was stated, and how many bytes of `rest` it took; raises Malformed."""
        shape = self._shape(given)
        parameters = given.parameters
        if not parameters:
            return self._from_json(shape, given.data), 0
        if "shared_memory_region" in parameters:
            raise Unprocessable(
                f"input {self.name!r} names a shared memory region, which is not offered here",
                hint="send the data in the body",
                param=self.name,
            )
        if "binary_data_size" not in parameters:
            return self._from_json(shape, given.data), 0
        size = self._binary_size(parameters["binary_data_size"], given.data, rest)
        return self._from_bytes(shape, rest[:size]), size

    def nested(self, data: memoryview, *, depth: int) -> Array:
        """The array whose shape is how the JSON is nested, `depth` deep; raises Malformed."""
        try:
            if not depth:  # one value for an input without dimensions
                return self.whole(self._array(self._decoded(memoryview(b"[%b]" % data), 1)).reshape(()))
            return self.whole(self._array(self._decoded(data, depth)))
        except UNREADABLE as error:
            raise self._unreadable(error) from None

    def whole(self, array: Array) -> Array:
        """An array of a shape that the model takes; raises Malformed for another one."""
        self._shape(RequestInput(self.name, list(array.shape), self._spec.datatype))
        return array

    def _shape(self, given: RequestInput) -> list[int]:
        spec, shape = self._spec, given.shape
        if given.datatype != spec.datatype:
            raise self._wrong(f"has datatype {given.datatype[:20]!r}", f"{self._takes}: convert it")
        if len(shape) != len(spec.shape):
            raise self._wrong(f"has {count_of(len(shape), 'dimension')}", self._takes)
        for index, (size, wanted) in enumerate(zip(shape, spec.shape, strict=True)):
            if size < 1:
                raise self._wrong(f"has size {_brief(size)} in dimension {index}", "every dimension is at least 1")
            if wanted not in (-1, size):
                raise self._wrong(f"has size {_brief(size)} in dimension {index}", self._takes)
        if math.prod(shape) * self._item > self._max_bytes:
            raise TooLarge(
                f"input {self.name!r} needs more than {self._max_bytes} bytes by its shape",
                hint="send less at once, or raise batching.queue_bytes",
                param=self.name,
            )
        return shape

    def _binary_size(self, size: Any, data: msgspec.Raw, rest: memoryview) -> int:
        if not _absent(memoryview(data)):
            raise self._wrong("has both `data` and `binary_data_size`", "send one of them")
        if type(size) is not int or size < 0:
            raise self._wrong(f"has binary_data_size {_brief(size)}", "send the number of its bytes")
        if size > len(rest):
            raise self._wrong(
                f"has binary_data_size {_brief(size)}, but {len(rest)} bytes are left in the body",
                "send the header Inference-Header-Content-Length, and the bytes of all inputs in their order",
            )
        return size

    def _from_bytes(self, shape: list[int], data: memoryview) -> Array:
        count = math.prod(shape)
        if self._kind == "O":
            return self._elements(data, count).reshape(shape)
        if len(data) != count * self._item:
            raise self._wrong(f"has {len(data)} binary bytes, its shape {shape} needs {count * self._item}", _ALIKE)
        if self._kind == "b" and np.frombuffer(data, np.uint8).max() > 1:
            raise self._wrong("holds bytes other than 0 and 1", "send each boolean as one byte, 0 or 1")
        array = np.frombuffer(data, self._dtype).reshape(shape)
        return array if array.flags.aligned else array.copy()

    def _elements(self, data: memoryview, count: int) -> Array:
        elements: list[bytes] = []
        place = 0
        while place < len(data) and len(elements) <= count:
            start = place + 4
            place = start + int.from_bytes(data[place:start], "little")
            if place > len(data):
                raise self._wrong("ends inside an element", "send each element as 4 bytes of length and its bytes")
            elements.append(bytes(data[start:place]))
        if len(elements) != count:
            found = f"more than {count}" if place < len(data) else str(len(elements))
            raise self._wrong(f"has {found} elements, its shape needs {count}", _ALIKE)
        return _objects(elements)

    def _from_json(self, shape: list[int], raw: msgspec.Raw) -> Array:
        data = memoryview(raw)
        if _absent(data):
            raise self._wrong("has no data", "send `data`, or the bytes with `binary_data_size`")
        if self._spec.datatype == "FP16":
            raise self._wrong("is FP16, which JSON cannot carry", "send it by the binary tensor extension")
        depth = depth_of(data)
        if depth not in (1, len(shape)):
            how = "is not an array" if depth == 0 else f"is nested {depth} deep"
            raise self._wrong(f"has data that {how}", "send it flat, row by row, or nested as its shape says")
        try:
            array = self._array(self._decoded(data, depth))
        except UNREADABLE as error:
            raise self._unreadable(error) from None
        if array.shape != tuple(shape) and (depth > 1 or array.size != math.prod(shape)):
            found = f"{array.size} elements" if depth == 1 else f"shape {list(array.shape)}"
            raise self._wrong(f"has data of {found}, but states shape {shape}", _ALIKE)
        return array.reshape(shape)

    def _decoded(self, data: memoryview, depth: int) -> list[Any]:
        try:
            return self._decoders[depth - 1].decode(data)
        except msgspec.ValidationError as error:
            problem, _, place = str(error).partition(" - at `$")
            raise self._wrong(f"holds a wrong element: {problem} at data{place[:-1]}", self._elements_are) from None

    def _unreadable(self, error: Exception) -> Malformed:
        if isinstance(error, UnicodeDecodeError):
            return self._wrong(f"is not UTF-8: {error.reason}", "send JSON in UTF-8")
        return self._wrong(f"cannot be read: {error}", self._elements_are)

    def _array(self, values: list[Any]) -> Array:
        try:
            if self._kind == "O":
                return _encoded(np.array(values, object))
            with np.errstate(over="raise"):
                return np.array(values, self._dtype)
        except (OverflowError, FloatingPointError):
            raise self._wrong(f"holds a number that {self._spec.datatype} cannot", self._elements_are) from None
        except ValueError:
            raise self._wrong("has rows of different lengths", "send rows of equal length") from None

    @property
    def _elements_are(self) -> str:
        return f"send {_WORDS[self._kind]} that fit {self._spec.datatype}"

    def _wrong(self, problem: str, remedy: str) -> Malformed:
        return _malformed(self.name, problem, remedy)


_ALIKE = "let shape and data agree"


def _absent(data: memoryview) -> bool:
    return not data or (len(data) == 4 and bytes(data) == b"null")


def depth_of(data: memoryview) -> int:
    """How many brackets open before the first value; counting stops at numpy's own bound."""
    depth = 0
    for byte in data[:4096]:
        if byte == 0x5B:
            depth += 1
        elif byte not in b" \t\r\n":
            break
    return depth


def _objects(elements: list[bytes]) -> Array:
    array = np.empty(len(elements), object)
    array[:] = elements
    return array


def _encoded(texts: Array) -> Array:
    """Strings as UTF-8 bytes, in the same shape; raises ValueError for uneven rows."""
    flat = texts.ravel().tolist()
    if not all(isinstance(text, str) for text in flat):
        raise ValueError("uneven")
    return _objects([text.encode() for text in flat]).reshape(texts.shape)


def _brief(value: Any) -> str:
    """A client's number for an error text; it may be of any size and no number at all."""
    if isinstance(value, int):
        return str(value) if abs(value) < 1 << 64 else "beyond 64 bits"
    return f"of type {type(value).__name__}"


def _unknown(name: str, known: dict[str, Any]) -> Malformed:
    return _malformed(name[:80], "is not one of the model's", f"the model takes {', '.join(known)}")


def _malformed(name: str, problem: str, remedy: str) -> Malformed:
    return Malformed(f"input {name!r} {problem}", hint=remedy, param=name)
