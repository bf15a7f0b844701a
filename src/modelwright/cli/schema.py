"""`modelwright schema`: the manifest's JSON Schema."""

from __future__ import annotations

import json


def schema() -> None:
    """Print the manifest's JSON Schema (draft 2020-12).

    Editors complete and check a manifest by it: save it beside the file and begin the manifest with
    `# yaml-language-server: $schema=./modelwright.schema.json`.
    """
    from modelwright.app.manifest.json_schema import json_schema

    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))
