"""The V2 (Open Inference Protocol) wire: JSON and the binary tensor extension as bytes.

What is read here is the frame; turning data into arrays is the serving room's business.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from modelwright.core.errors.calls import CallError, Malformed
from modelwright.core.wire.unreadable import UNREADABLE

BINARY_HEADER = b"inference-header-content-length"
MACHINE_HEADER = b"x-modelwright-machine-us"
"""Of our own workers' answers: microseconds of the engine's time, the request's share."""
ARTIFACT_HEADER = b"x-modelwright-artifact"
"""Of our own workers' answers, on every wire, and passed on to clients: the digest of the model that computed it."""
PEER_HEADER = b"x-modelwright-peer"
"""On a gateway worker's own socket: the address of the client that the front process speaks for."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""Names and versions of models as they may stand in a path."""
EXTENSIONS = ("binary_tensor_data", "classification", "model_configuration", "parameters", "statistics")
"""Named in the server's metadata."""
VERSION = "1"
"""The only version that a worker serves."""

ITEM_BYTES: dict[str, int] = {
    "BOOL": 1,
    "INT8": 1,
    "UINT8": 1,
    "INT16": 2,
    "UINT16": 2,
    "FP16": 2,
    "INT32": 4,
    "UINT32": 4,
    "FP32": 4,
    "INT64": 8,
    "UINT64": 8,
    "FP64": 8,
}
"""Bytes per element; BYTES has none (each element carries a 4-byte little-endian length)."""


class RequestInput(msgspec.Struct):
    """One input tensor; `data` is the JSON array, or absent when the bytes follow the JSON part."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] | None = None
    data: msgspec.Raw = msgspec.Raw(b"")


class RequestOutput(msgspec.Struct):
    """One output that the client wants."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct):
    """The JSON part of an inference request."""

    inputs: list[RequestInput]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[RequestOutput] | None = None


class ResponseOutput(msgspec.Struct, omit_defaults=True):
    """One output tensor; `data` is row-major and flat, or absent when the bytes follow the JSON part."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: Any = msgspec.UNSET


class InferResponse(msgspec.Struct, omit_defaults=True):
    """The JSON part of an answer."""

    model_name: str
    outputs: list[ResponseOutput]
    id: str = ""
    parameters: dict[str, str] = {}
    model_version: str = msgspec.field(default_factory=lambda: VERSION)


class Route(msgspec.Struct, frozen=True):
    """What a path under `/v2` asks for."""

    action: str
    """server | live | ready | metadata | model_ready | config | stats | infer."""
    model: str = ""
    version: str = ""


_infer = msgspec.json.Decoder(InferRequest)
_SERVER = {"/v2": "server", "/v2/health/live": "live", "/v2/health/ready": "ready", "/v2/models/stats": "stats"}
_MODEL = {"ready": "model_ready", "infer": "infer", "config": "config", "stats": "stats"}


def read_path(path: str) -> Route | None:
    """The route of a path, without or with a version; None when V2 knows no such path."""
    server = _SERVER.get(path)
    if server is not None:
        return Route(server)
    match path.split("/"):
        case ["", "v2", "models", model] if model:
            return Route("metadata", model)
        case ["", "v2", "models", model, "versions", version] if model and version:
            return Route("metadata", model, version)
        case ["", "v2", "models", model, action] if model and action in _MODEL:
            return Route(_MODEL[action], model)
        case ["", "v2", "models", model, "versions", version, action] if model and version and action in _MODEL:
            return Route(_MODEL[action], model, version)
        case _:
            return None


def read_header_length(value: bytes | None) -> int | None:
    """The binary extension's header as a number; raises Malformed."""
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise Malformed(
            f"the header inference-header-content-length is {value[:40].decode('latin-1')!r}, not a number",
            hint="send the length of the JSON part in bytes",
            param="inference-header-content-length",
        )
    return int(value)


def read_infer(body: bytes | memoryview, header_length: int | None) -> tuple[InferRequest, memoryview]:
    """The JSON part and the binary part behind it (empty without the extension); raises Malformed."""
    whole = memoryview(body)
    header, rest = (whole, whole[:0]) if header_length is None else _cut(whole, header_length)
    try:
        return _infer.decode(header), rest
    except msgspec.ValidationError as error:
        problem = str(error).replace(" - at `$", " at `body")
        raise Malformed(
            f"the inference request is not valid: {problem}", hint="see the V2 inference protocol"
        ) from None
    except UNREADABLE as error:
        raise Malformed(f"the body is not valid JSON: {error}", hint="send a V2 inference request in UTF-8") from None


def error_body(error: CallError) -> bytes:
    """The V2 error object."""
    return msgspec.json.encode({"error": error_text(error)})


def error_text(error: CallError) -> str:
    """What the wire says of an error: the problem and what to do."""
    return f"{error.message} ({error.hint})" if error.hint else error.message


def _cut(whole: memoryview, header_length: int) -> tuple[memoryview, memoryview]:
    if not 0 < header_length <= len(whole):
        raise Malformed(
            f"inference-header-content-length is {header_length}, but the body has {len(whole)} bytes",
            hint="send the length of the JSON part in bytes",
            param="inference-header-content-length",
        )
    return whole[:header_length], whole[header_length:]
