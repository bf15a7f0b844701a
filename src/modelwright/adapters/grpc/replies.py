"""Reads what REST answered and writes it as a message of gRPC; the tensors' bytes are copied once."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.adapters.grpc.messages import message
from modelwright.core.errors.providers import ProviderError

ModelInferResponse = message("ModelInferResponse")
ModelStreamInferResponse = message("ModelStreamInferResponse")
FINAL = "triton_final_response"
"""Parameter of a stream's answer that is the last one to its request."""
_RAW = b"\x32"
"""Tag of raw_output_contents: field 6, bytes."""
_ANSWER = b"\x12"
"""Tag of infer_response: field 2, a message."""


class _Output(msgspec.Struct):
    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}


class _Answer(msgspec.Struct):
    model_name: str
    outputs: list[_Output]
    model_version: str = ""
    id: str = ""
    parameters: dict[str, Any] = {}


class _Refusal(msgspec.Struct):
    error: str = ""


_answer = msgspec.json.Decoder(_Answer)
_refusal = msgspec.json.Decoder(_Refusal)


def write_answer(body: bytes, head: int, *, final: bool = False) -> bytes:
    """The bytes of a ModelInferResponse; `head` is the length of the JSON part. Raises ProviderError."""
    try:
        answer = _answer.decode(memoryview(body)[:head])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProviderError(f"the model's answer cannot be read: {error}") from None
    told = ModelInferResponse(model_name=answer.model_name, model_version=answer.model_version, id=answer.id)
    for name, value in answer.parameters.items():
        _set(told.parameters[name], value)
    if final:
        told.parameters[FINAL].bool_param = True
    pieces: list[bytes | memoryview] = []
    rest = memoryview(body)[head:]
    for output in answer.outputs:
        size = output.parameters.pop("binary_data_size", None)
        if type(size) is not int or not 0 <= size <= len(rest):
            raise ProviderError(f"the model's answer has no bytes of output {output.name!r}")
        written = told.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        for name, value in output.parameters.items():
            _set(written.parameters[name], value)
        pieces += (_RAW, _varint(size), rest[:size])
        rest = rest[size:]
    return b"".join((told.SerializeToString(), *pieces))


def write_piece(answer: bytes) -> bytes:
    """A stream's message that holds this ModelInferResponse."""
    return b"".join((_ANSWER, _varint(len(answer)), answer))


def write_error(problem: str, request: str) -> bytes:
    """A stream's message that says why the request of this id has no answer."""
    told = ModelStreamInferResponse(error_message=problem)
    told.infer_response.id = request
    return told.SerializeToString()


def read_refusal(body: bytes) -> str:
    """Why a request was not answered 200, in the wire's own words."""
    try:
        return _refusal.decode(body).error or "no reason was given"
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "no reason was given"


def _set(parameter: Any, value: Any) -> None:
    match value:
        case bool():
            parameter.bool_param = value
        case int():
            parameter.int64_param = max(-(1 << 63), min(value, (1 << 63) - 1))
        case float():
            parameter.double_param = value
        case _:
            parameter.string_param = value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
