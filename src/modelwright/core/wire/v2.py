"""The V2 (Open Inference Protocol) wire: JSON and the binary tensor extension as bytes; arrays are the engines' business."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.errors import CallError, Malformed

BINARY_HEADER = b"inference-header-content-length"

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
    """One input tensor; `data` is the JSON array, or absent when the bytes follow the header."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: msgspec.Raw = msgspec.Raw(b"")


class RequestOutput(msgspec.Struct):
    """One output that the client wants."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(msgspec.Struct):
    """The JSON part of an inference request."""

    inputs: list[RequestInput]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[RequestOutput] = []


_infer = msgspec.json.Decoder(InferRequest)


def read_infer(body: bytes, header_length: int | None) -> tuple[InferRequest, memoryview]:
    """The JSON part and the binary part behind it (empty without the extension); raises Malformed."""
    if header_length is None:
        header, rest = body, memoryview(b"")
    else:
        if not 0 < header_length <= len(body):
            raise Malformed(
                f"inference-header-content-length is {header_length}, but the body has {len(body)} bytes",
                hint="send the length of the JSON part",
                param="inference-header-content-length",
            )
        header, rest = body[:header_length], memoryview(body)[header_length:]
    try:
        return _infer.decode(header), rest
    except msgspec.ValidationError as error:
        problem = str(error).replace(" - at `$", " at `body")
        raise Malformed(
            f"the inference request is not valid: {problem}", hint="see the V2 inference protocol"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is not valid JSON: {error}", hint="send a V2 inference request in UTF-8") from None


def error_body(error: CallError) -> bytes:
    """The V2 error object."""
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return msgspec.json.encode({"error": message})
