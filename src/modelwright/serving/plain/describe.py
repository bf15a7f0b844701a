"""The OpenAPI description of one model's plain way; from its signature, without knowing what is behind it."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import msgspec

from modelwright.core.ports.engines import CustomSignature

_REFERENCE = "#/$defs/"
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"], "description": "The input that is at fault."},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}


def openapi(model: str, signature: CustomSignature) -> bytes:
    """The whole document."""
    shared: dict[str, Any] = {"Error": _ERROR}
    takes, gives = (_lifted(schema, shared) for schema in (signature.takes, signature.gives))
    answers = {"application/json": {"schema": gives}} if signature.gives or signature.whole else {}
    if signature.pieces is not None:
        piece = _lifted(signature.pieces, shared)
        answers["text/event-stream"] = {"schema": {"type": "string", "description": "One event for each piece."}}
        answers["application/jsonl"] = {"schema": piece}
    error = {"description": "an error", "content": {"application/json": {"schema": _ref("Error")}}}
    body: dict[str, Any] = {"application/json": {"schema": takes}}
    if signature.files:
        body["multipart/form-data"] = {"schema": _form(takes, signature.files)}
    operation: dict[str, Any] = {
        "operationId": "predict",
        "summary": f"Ask model {model}",
        "requestBody": {"required": True, "content": body},
        "responses": {"200": {"description": "the answer", "content": answers}, "default": error},
        "security": [{"bearer": []}, {"key": []}],
    }
    schemes = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    }
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": model, "version": version("modelwright")},
            "paths": {f"/predict/{model}": {"post": operation}},
            "components": {"schemas": shared, "securitySchemes": schemes},
        }
    )


def _lifted(schema: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """A schema whose own definitions are the document's."""
    own = json.loads(json.dumps(schema).replace(f'"{_REFERENCE}', '"#/components/schemas/'))
    shared.update(own.pop("$defs", {}))
    return own


def _form(takes: dict[str, Any], files: tuple[str, ...]) -> dict[str, Any]:
    properties = {
        name: {"type": "string", "contentMediaType": "application/octet-stream"} if name in files else value
        for name, value in takes.get("properties", {}).items()
    }
    return {**takes, "properties": properties}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
