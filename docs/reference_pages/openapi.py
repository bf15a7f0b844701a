"""The OpenAPI description of the public door: its paths as the door knows them, bodies as far as anybody reads them."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from modelwright.core.prompting.variables import FIELD
from modelwright.core.tasks.task import STATUSES
from modelwright.core.wire.between.chat_to_messages import ChatRequest
from modelwright.core.wire.between.messages_to_chat import MessagesRequest
from modelwright.core.wire.between.responses_to_chat import ResponsesRequest
from modelwright.gateway.http.paths import FIXED, TASKS, match

_TEXTS = {"type": ["string", "array", "null"], "items": {"type": "string"}}
_NAMED = (
    ("GET", "/v1/models/{model}"),
    ("GET", "/v2/models/{model}"),
    ("GET", "/v2/models/{model}/ready"),
    ("GET", "/v2/models/{model}/config"),
    ("GET", "/v2/models/{model}/stats"),
    ("POST", "/v2/models/{model}/infer"),
    ("GET", "/v2/models/{model}/versions/{version}"),
    ("GET", "/v2/models/{model}/versions/{version}/ready"),
    ("GET", "/v2/models/{model}/versions/{version}/config"),
    ("GET", "/v2/models/{model}/versions/{version}/stats"),
    ("POST", "/v2/models/{model}/versions/{version}/infer"),
    ("POST", "/v2/repository/models/{model}/load"),
    ("POST", "/v2/repository/models/{model}/unload"),
    ("POST", "/predict/{model}"),
    ("GET", "/predict/{model}/openapi.json"),
)
_SUMMARIES = {
    "chat": "OpenAI's chat completions",
    "completions": "OpenAI's completions of a text",
    "embeddings": "OpenAI's embeddings",
    "messages": "Anthropic's messages",
    "responses": "OpenAI's responses, without state",
    "infer": "Inference on tensors (V2)",
    "index": "Which models are loaded (V2, for admins)",
    "load": "Load a model that was unloaded (V2, for admins)",
    "unload": "Unload a model after its last call (V2, for admins)",
    "predict": "Inputs by name in, outputs by name out; as JSON or a form",
    "schema": "What a model takes and gives, in OpenAPI",
    "feedback": "What somebody thought of an answer",
    "leave": "Leave a call that is to be made later, as a task; needs `tasks` in the manifest",
    "browse": "Your tasks, the newest first",
    "look": "A task and its answer",
    "cancel": "Do not run a task, or not to its end",
    "models": "Endpoints that may be called",
    "model": "One endpoint",
    "server": "Name, version and extensions of the server (V2)",
    "live": "Whether the process answers",
    "ready": "Whether calls are welcome",
    "v2_ready": "Whether every model of ours is ready (V2)",
    "metadata": "Inputs and outputs of a model (V2)",
    "config": "A model's configuration in Triton's words (V2)",
    "statistics": "What models have done since they started, over all replicas (V2)",
}
_PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "leave": [{"name": "idempotency-key", "in": "header", "schema": {"type": "string", "maxLength": 255}}],
    "browse": [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
        {"name": "after", "in": "query", "schema": {"type": "string"}},
        {"name": "status", "in": "query", "schema": {"type": "string", "enum": list(STATUSES)}},
    ],
}
_OPEN = frozenset({"live", "ready", "v2_ready", "server"})
"""Views that need no key."""
_SELF = frozenset({"docs", "openapi"})
"""Views of this description."""


def page() -> str:
    """The whole description as JSON."""
    paths: dict[str, Any] = {}
    fixed = [(method, path) for path, (method, found) in FIXED.items() if found.view not in _SELF]
    tasks = [(method, found.template) for (method, _), found in TASKS.items()]
    for method, path in (*fixed, *tasks, *_NAMED):
        paths.setdefault(path, {})[method.lower()] = _operation(method, path)
    described = {
        "openapi": "3.1.0",
        "info": {
            "title": "Modelwright, the public door",
            "version": "1",
            "description": "Written by docs/generate.py. Bodies name the fields that are read here; others pass.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }
    return json.dumps(described, indent=1, ensure_ascii=False) + "\n"


def _operation(method: str, path: str) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", path)
    found = match(method, path.replace("{", "").replace("}", ""))
    what = found.operation or (path.rpartition("/")[2] if "/models/{model}/" in path else found.view)
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{method} {path}").strip("_").lower(),
        "summary": _SUMMARIES.get(what, _SUMMARIES["metadata"]),
        "responses": {
            "202" if what == "leave" else "200": {"description": "the answer"},
            "default": {"description": "an error of the path's wire"},
        },
    }
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    parameters += _PARAMETERS.get(what, [])
    if parameters:
        operation["parameters"] = parameters
    if found.view not in _OPEN:
        operation["security"] = [{"bearer": []}, {"key": []}]
    if method == "POST" and what != "cancel":
        schema = {"$ref": f"#/components/schemas/{found.operation or found.view}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _schemas() -> dict[str, Any]:
    """Read off the types that read the bodies, where those say enough."""
    types = {"chat": ChatRequest, "messages": MessagesRequest, "responses": ResponsesRequest}
    found = msgspec.json.schema_components(types.values(), ref_template="#/components/schemas/{name}")
    told = re.sub(r'modelwright\.core\.wire\.between\.|(?<=[/".])_(?=[A-Z])', "", json.dumps(found))
    roots, schemas = json.loads(told)
    for root in roots:
        schemas[root["$ref"].rpartition("/")[2]]["properties"][FIELD] = {"type": ["object", "null"]}
    model = {"model": {"type": "string"}}
    stream = {"stream": {"type": ["boolean", "null"]}}
    return {
        **schemas,
        **dict(zip(types, roots, strict=True)),
        "completions": _object({**model, **stream, "prompt": _TEXTS}, "model", "prompt"),
        "embeddings": _object({**model, "input": _TEXTS}, "model", "input"),
        "feedback": _object(
            {
                "call": {"type": "string"},
                "score": {"type": ["number", "boolean"]},
                "comment": {"type": "string"},
                "name": {"type": "string"},
            },
            "call",
            "score",
        ),
        "leave": _object(
            {
                "url": {"type": "string"},
                "body": {"type": "object"},
                "method": {"type": "string", "enum": ["POST"]},
                "custom_id": {"type": "string", "maxLength": 256},
                "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
                "webhook": {"type": "string"},
                "completion_window": {"type": "string"},
            },
            "url",
            "body",
        ),
        "index": _object({"ready": {"type": "boolean"}}),
        **dict.fromkeys(("load", "unload"), _object({"parameters": _object({"version": {"type": "string"}})})),
        "predict": {"type": "object"},
        "infer": _object({"id": {"type": "string"}, "inputs": {"type": "array", "items": _tensor()}}, "inputs"),
    }


def _tensor() -> dict[str, Any]:
    fields = {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string"},
        "data": {"type": "array"},
    }
    return _object(fields, "name", "shape", "datatype", "data")


def _object(fields: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": fields, "required": list(required)}
