"""The JSON Schema for editors, compared with its golden file."""

import json
from pathlib import Path
from typing import Any

from modelwright.app.manifest.json_schema import json_schema
from modelwright.app.manifest.schema import SCHEMA_VERSION
from modelwright.app.manifest.shape import every_field

GOLDEN = Path(__file__).parents[3] / "golden" / "manifest.schema.json"


def test_version_1_is_the_frozen_one() -> None:
    assert SCHEMA_VERSION == 1
    assert json_schema() == json.loads(GOLDEN.read_text("utf-8"))


def test_it_is_of_the_draft_that_it_names_and_every_reference_leads_somewhere() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    found = set(_references(schema))
    assert found <= {f"#/$defs/{name}" for name in schema["$defs"]}
    assert {f"#/$defs/{name}" for name in schema["$defs"]} <= found


def test_every_field_is_described() -> None:
    assert not [path for path, field in every_field() if not field.description]


def test_an_overlay_requires_nothing_and_takes_null() -> None:
    definitions = json_schema()["$defs"]
    for name, section in definitions.items():
        if name.endswith("Overlay"):
            assert "required" not in section
            assert all({"type": "null"} in field["anyOf"] for field in section["properties"].values())
    assert not {"schema", "environments"} & definitions["ManifestOverlay"]["properties"].keys()


def test_a_number_may_come_from_outside() -> None:
    workers = json_schema()["$defs"]["GatewaySection"]["properties"]["workers"]
    assert [choice["type"] for choice in workers["anyOf"]] == ["integer", "string"]
    assert workers["default"] == 1


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [reference for child in value.values() for reference in _references(child)]
    if isinstance(value, list):
        return [reference for child in value for reference in _references(child)]
    return []
