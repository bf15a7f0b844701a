"""Writes an inference request of gRPC as the body of one over REST, with all tensors as bytes; it judges no tensor.

Raw contents of a large request are cut out of the message as views, and copied once: into the body.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelwright.adapters.grpc.messages import message, read
from modelwright.core.errors.calls import Malformed

LARGE = 16 << 10
"""Bytes of a message from which on its raw contents are cut out, not parsed."""
_SHARED = "shared_memory_region"
_RAW = 7
"""Number of the field raw_input_contents."""
_TYPED = {
    "BOOL": ("bool_contents", "B"),
    "INT8": ("int_contents", "b"),
    "INT16": ("int_contents", "h"),
    "INT32": ("int_contents", "i"),
    "INT64": ("int64_contents", "q"),
    "UINT8": ("uint_contents", "B"),
    "UINT16": ("uint_contents", "H"),
    "UINT32": ("uint_contents", "I"),
    "UINT64": ("uint64_contents", "Q"),
    "FP32": ("fp32_contents", "f"),
    "FP64": ("fp64_contents", "d"),
}
"""By datatype: where elements stand, and as what array they are written."""
_FIELDS = (*dict.fromkeys(field for field, _ in _TYPED.values()), "bytes_contents")

Bytes = bytes | memoryview
ModelInferRequest = message("ModelInferRequest")


class Question(msgspec.Struct, frozen=True):
    """One inference request over REST."""

    model: str
    version: str
    id: str
    head: bytes
    """The JSON part."""
    pieces: Sequence[Bytes]
    """What follows it."""

    @property
    def body(self) -> bytes:
        """All of it."""
        return b"".join((self.head, *self.pieces))


def read_question(data: bytes) -> Question:
    """Raises Malformed for what is no such message, or whose contents do not belong to its inputs."""
    kept, raw = (data, None) if len(data) < LARGE else cut_raw(data)
    request = read(ModelInferRequest, kept)
    contents: Sequence[Bytes] = request.raw_input_contents if raw is None else raw
    inputs, pieces = _inputs(request, contents)
    parameters = {**_parameters(request.parameters), "binary_data_output": True}
    asked: dict[str, Any] = {"inputs": inputs, "parameters": parameters}
    if request.id:
        asked["id"] = request.id
    if request.outputs:
        asked["outputs"] = [_output(wanted) for wanted in request.outputs]
    return Question(request.model_name, request.model_version, request.id, msgspec.json.encode(asked), pieces)


def cut_raw(data: bytes) -> tuple[bytes, list[memoryview] | None]:
    """The message without its raw contents, and these; None for them when it cannot be cut, which its parser tells."""
    whole, size = memoryview(data), len(data)
    kept: list[memoryview] = []
    raw: list[memoryview] = []
    at = begin = 0
    while at < size:
        start = at
        tag, at = _varint(data, at)
        length, at = _varint(data, at)
        if tag & 7 != 2 or length < 0 or at + length > size:
            return data, None
        if tag >> 3 == _RAW:
            kept.append(whole[begin:start])
            raw.append(whole[at : at + length])
            begin = at + length
        at += length
    kept.append(whole[begin:])
    return b"".join(kept), raw


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place after it; negative when there is none."""
    value = shift = 0
    while at < len(data) and shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return -1, at


def _inputs(request: Any, raw: Sequence[Bytes]) -> tuple[list[dict[str, Any]], list[Bytes]]:
    inputs: list[dict[str, Any]] = []
    pieces: list[Bytes] = []
    for tensor in request.inputs:
        parameters = _parameters(tensor.parameters)
        if _SHARED not in parameters:  # one that names such a region is refused where it is read
            piece = _next_raw(tensor, raw, len(pieces)) if raw else _typed(tensor)
            parameters["binary_data_size"] = len(piece)
            pieces.append(piece)
        inputs.append(
            {
                "name": tensor.name,
                "datatype": tensor.datatype,
                "shape": list(tensor.shape),
                "parameters": parameters,
            }
        )
    if raw and len(raw) != len(pieces):
        raise Malformed(
            f"raw_input_contents has {len(raw)} elements, and there are {len(pieces)} inputs",
            hint="send one for each input, in their order",
            param="raw_input_contents",
        )
    return inputs, pieces


def _next_raw(tensor: Any, raw: Sequence[Bytes], at: int) -> Bytes:
    if tensor.HasField("contents") and tensor.contents.ByteSize():
        raise _wrong(tensor, "has contents, beside raw_input_contents", "send one of them")
    return raw[at] if at < len(raw) else b""


def _typed(tensor: Any) -> bytes:
    """The elements of `contents` as bytes."""
    name, contents = tensor.datatype, tensor.contents
    field, code = _TYPED.get(name, ("bytes_contents", ""))
    for other in _FIELDS:
        if other != field and len(getattr(contents, other)):
            raise _wrong(tensor, f"is {name[:20]} and has elements in {other}", f"send them in {_place(name, field)}")
    elements = getattr(contents, field)
    if name == "BYTES":
        return b"".join(len(element).to_bytes(4, "little") + element for element in elements)
    if not code:
        if len(elements):
            raise _wrong(tensor, f"is {name[:20]}, which has no typed contents", "send raw_input_contents")
        return b""
    try:
        numbers = array(code, elements)
    except OverflowError as error:
        raise _wrong(tensor, f"holds a number that {name} cannot: {error}", "send numbers that fit") from None
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _place(datatype: str, field: str) -> str:
    return field if datatype in _TYPED or datatype == "BYTES" else "raw_input_contents"


def _output(wanted: Any) -> dict[str, Any]:
    parameters = _parameters(wanted.parameters)
    parameters.pop("binary_data", None)  # here they are bytes, whatever the client would have over REST
    return {"name": wanted.name, "parameters": parameters} if parameters else {"name": wanted.name}


def _parameters(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameter_value(parameter) for name, parameter in found.items()} if found else {}


def parameter_value(parameter: Any) -> Any:
    """What a parameter holds, as JSON has it; bytes as a text in base64."""
    chosen = parameter.WhichOneof("parameter_choice")
    return getattr(parameter, chosen) if chosen else None


def _wrong(tensor: Any, problem: str, remedy: str) -> Malformed:
    return Malformed(f"input {tensor.name[:80]!r} {problem}", hint=remedy, param=tensor.name[:80])
