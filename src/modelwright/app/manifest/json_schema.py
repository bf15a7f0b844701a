"""The manifest as JSON Schema (draft 2020-12), for editors, references and overlays included; it checks nothing."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from modelwright.app.manifest.schema import SCHEMA_VERSION, Manifest
from modelwright.app.settings.references import PATTERN
from modelwright.app.settings.settings import ENVIRONMENTS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = f"Modelwright manifest, version {SCHEMA_VERSION}"
_REFERENCE = {"type": "string", "pattern": PATTERN, "description": "${env:NAME} or ${file:path}"}
_SCALARS = {"string", "integer", "number", "boolean"}
_OVERLAY = "Overlay"
_Schema = dict[str, Any]


def json_schema() -> _Schema:
    """What an editor needs to complete and check `modelwright.yaml`."""
    made = Manifest.model_json_schema(by_alias=True)
    definitions: dict[str, _Schema] = made.pop("$defs")
    root: _Schema = {key: value for key, value in made.items() if key not in {"title", "description"}}
    overlay = _partial({**root, "properties": {k: v for k, v in root["properties"].items() if k not in _FIXED}})
    partial = {f"{name}{_OVERLAY}": _partial(each) for name, each in definitions.items()}
    root["properties"]["environments"] |= {
        "additionalProperties": False,
        "properties": {name: {"$ref": f"#/$defs/Manifest{_OVERLAY}"} for name in ENVIRONMENTS},
    }
    root["properties"]["environments"].pop("propertyNames", None)
    every = {**definitions, **partial, f"Manifest{_OVERLAY}": overlay}
    return {
        "$schema": DIALECT,
        "title": TITLE,
        "description": made["description"],
        **_with_references(root),
        "$defs": {name: _with_references(every[name]) for name in sorted(every)},
    }


_FIXED = {"schema", "environments"}
"""What an overlay cannot hold."""


def _partial(section: _Schema) -> _Schema:
    """A section as an overlay may hold it: nothing is required, and null deletes."""
    partial = deepcopy(section)
    partial.pop("required", None)
    partial["properties"] = {name: _or_null(field) for name, field in partial.get("properties", {}).items()}
    return partial


def _or_null(field: _Schema) -> _Schema:
    described = {key: value for key, value in field.items() if key in {"description", "title"}}
    inner = {key: value for key, value in field.items() if key not in {"description", "title", "default"}}
    inner.pop("minProperties", None)
    for name, entry in inner.get("patternProperties", {}).items():
        inner["patternProperties"] = {name: {"anyOf": [_renamed(entry), {"type": "null"}]}}
    if isinstance(inner.get("additionalProperties"), dict) and "$ref" in inner["additionalProperties"]:
        inner["additionalProperties"] = {"anyOf": [_renamed(inner["additionalProperties"]), {"type": "null"}]}
    choices = inner.get("anyOf", [])
    if any("$ref" in choice for choice in choices):  # a section that may be left out
        return {**described, "anyOf": [_renamed(choice) for choice in choices]}
    if isinstance(inner.get("additionalProperties"), dict) and "propertyNames" in inner:
        inner["additionalProperties"] = {"anyOf": [_renamed(inner["additionalProperties"]), {"type": "null"}]}
    return {**described, "anyOf": [_renamed(inner), {"type": "null"}]}


def _renamed(schema: _Schema) -> _Schema:
    """References lead to the overlay's sections."""
    if "$ref" in schema:
        return {**schema, "$ref": f"{schema['$ref']}{_OVERLAY}"}
    return schema


def _with_references(section: _Schema) -> _Schema:
    """Each scalar field may be a `${…}` instead; titles go, they only repeat the names."""
    fields = {name: _field(field) for name, field in section.get("properties", {}).items()}
    return {key: value for key, value in section.items() if key != "title"} | ({"properties": fields} if fields else {})


def _field(field: _Schema) -> _Schema:
    """One field: `${…}` beside a scalar, and only names of the right form in a map."""
    field = {key: value for key, value in field.items() if key != "title"}
    if "patternProperties" in field:
        return {**field, "additionalProperties": False}
    if "const" in field and field["const"] == SCHEMA_VERSION:
        return field
    if "anyOf" in field:
        choices = [_bare(choice) for choice in field["anyOf"]]
        takes_reference = any(choice.get("type") in _SCALARS and not _takes_any_text(choice) for choice in choices)
        return field | {"anyOf": [*map(_closed, choices), *([_REFERENCE] if takes_reference else [])]}
    if field.get("type") not in _SCALARS or _takes_any_text(field):
        return field
    kept = {key: value for key, value in field.items() if key in {"description", "default"}}
    return {**kept, "anyOf": [_bare(field), _REFERENCE]}


def _closed(choice: _Schema) -> _Schema:
    return {**choice, "additionalProperties": False} if "patternProperties" in choice else choice


def _bare(field: _Schema) -> _Schema:
    return {key: value for key, value in field.items() if key not in {"description", "default", "title"}}


def _takes_any_text(field: _Schema) -> bool:
    return field.get("type") == "string" and not field.keys() & {"pattern", "enum", "const"}
