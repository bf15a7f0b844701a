"""A small request that a model can answer, made of what the model says of itself; it asks nobody."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from math import ceil, floor, prod
from typing import Any

import msgspec

WORD = "hello"
MOST = 64
"""Numbers of a request that is written out; a larger tensor is sent as bytes that are all zero."""
_DEEP = 12
_LONG = 4096
"""Characters of a text past which a call cannot be pasted."""
_PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
"""The smallest image: a file for whoever wants any, in base64."""
_FORMATS = {
    "date": "2026-01-31",
    "time": "12:30:00Z",
    "date-time": "2026-01-31T12:30:00Z",
    "duration": "PT1M",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
}
_WIDTHS = {"BOOL": 1, "BYTES": 4, "BF16": 2}
"""Bytes of an element that is zero; the others say it in bits. Of BYTES it is the length of an empty one."""


class TensorTold(msgspec.Struct, frozen=True, kw_only=True):
    """An input, as V2 describes it."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def least(self) -> tuple[int, ...]:
        """Its shape with one of whatever is free: so it was tried before the model was ready."""
        return tuple(max(1, size) for size in self.shape)

    @property
    def nbytes(self) -> int:
        """Of zeros of that shape."""
        bits = "".join(filter(str.isdecimal, self.datatype))
        return prod(self.least) * (_WIDTHS.get(self.datatype) or int(bits or 8) // 8)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a model says of itself: its inputs, or the document of OpenAPI that describes its requests."""

    inputs: tuple[TensorTold, ...] = ()
    document: Mapping[str, Any] = {}


def plain_body(told: Told) -> str:
    """The JSON of a plain request; empty when it would be too long to be written out."""
    if not told.inputs:
        body = told.document["paths"][next(iter(told.document["paths"]))]["post"]["requestBody"]["content"]
        return _json(_Maker(told.document).example(body["application/json"]["schema"]))
    if sum(prod(one.least) for one in told.inputs) > MOST:
        return ""
    return _json({one.name: _nested(one.least, _zero(one.datatype)) for one in told.inputs})


def binary_request(inputs: Sequence[TensorTold]) -> tuple[str, str]:
    """A command that writes a V2 request whose tensors are zeros, and the header that it needs."""
    told = [
        {
            "name": one.name,
            "shape": one.least,
            "datatype": one.datatype,
            "parameters": {"binary_data_size": one.nbytes},
        }
        for one in inputs
    ]
    head = _json({"inputs": told})
    size = sum(one.nbytes for one in inputs)
    command = f"{{ printf %s {shlex.quote(head)}; head -c {size} /dev/zero; }}"
    return command, f"Inference-Header-Content-Length: {len(head.encode())}"


class _Maker:
    """Makes examples of one document's schemas."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._shared: dict[str, Any] = document.get("components", {}).get("schemas", {})

    def example(self, schema: Any, deep: int = 0) -> Any:
        """What the schema says itself, otherwise the least that fits it; its pattern aside."""
        if not isinstance(schema, dict) or deep > _DEEP:
            return None
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self.example(self._shared.get(reference.rpartition("/")[2]), deep + 1)
        for word in ("examples", "enum"):
            given = schema.get(word)
            if given and isinstance(given, list):
                return given[0]
        for word in ("example", "const", "default"):
            if word in schema:
                return schema[word]
        for word in ("anyOf", "oneOf", "allOf"):
            if schema.get(word):
                fitting = [one for one in schema[word] if one.get("type") != "null"]
                return self.example((fitting or schema[word])[0], deep + 1)
        return self._of_type(schema, deep)

    def _of_type(self, schema: dict[str, Any], deep: int) -> Any:
        kind = schema.get("type", "string")
        match kind if isinstance(kind, str) else next((one for one in kind if one != "null"), "null"):
            case "object":
                wanted = schema.get("required", ())
                own = schema.get("properties", {})
                return {name: self.example(own.get(name, {}), deep + 1) for name in wanted}
            case "array":
                return self._array(schema, deep)
            case "integer":
                return ceil(_number(schema, step=1))
            case "number":
                return _number(schema, step=0.5)
            case "boolean":
                return False
            case "null":
                return None
            case _:
                return _text(schema)

    def _array(self, schema: dict[str, Any], deep: int) -> list[Any]:
        first = [self.example(one, deep + 1) for one in schema.get("prefixItems", ())]
        missing = max(1, schema.get("minItems", 1)) - len(first)
        if not schema.get("items") or missing <= 0:
            return first
        return first + [self.example(schema["items"], deep + 1)] * min(missing, MOST)


def _number(schema: Mapping[str, Any], *, step: float) -> float:
    """One, or what is nearest to it within the bounds."""
    least = max(schema.get("minimum", 1), schema.get("exclusiveMinimum", 1 - step) + step)
    most = min(schema.get("maximum", least), schema.get("exclusiveMaximum", least + step) - step)
    found = min(least, most)
    multiple = schema.get("multipleOf")
    return multiple * (ceil(found / multiple) or floor(found / multiple) or 1) if multiple else found


def _text(schema: Mapping[str, Any]) -> str:
    if schema.get("contentEncoding") == "base64" or schema.get("format") == "binary":
        return _PICTURE
    text = _FORMATS.get(schema.get("format", ""), WORD)
    least = min(schema.get("minLength", 0), _LONG)
    return (text * ceil(least / len(text)) or text)[: schema.get("maxLength")]


def _zero(datatype: str) -> Any:
    return {"BOOL": False, "BYTES": WORD}.get(datatype, 0)


def _nested(shape: Sequence[int], value: Any) -> Any:
    for size in reversed(shape):
        value = [value] * size
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
