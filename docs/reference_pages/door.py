"""The page that the public door shows at /docs: its description for people, without a script and without a request."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from docs.reference_pages import openapi

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent) }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 56rem; margin: 3rem auto; padding: 0 1.25rem }
h1 { font-size: 1.6rem; margin-bottom: .25rem }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem }
code, pre { font: .875rem/1.5 ui-monospace, monospace }
pre { overflow-x: auto; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: 6px }
details { border-top: 1px solid var(--line); padding: .6rem 0 }
summary { cursor: pointer }
summary b { display: inline-block; min-width: 3.5rem; font: 600 .8rem ui-monospace, monospace }
summary span { opacity: .75; margin-left: .75rem }
table { border-collapse: collapse; margin: .75rem 0; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line) }
"""
_GROUPS = (
    ("OpenAI", ("/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings", "/v1/models")),
    ("Anthropic", ("/v1/messages",)),
    ("V2 inference protocol", ("/v2",)),
)
_OTHERS = "Modelwright"


def page() -> str:
    """The whole page as HTML."""
    described = json.loads(openapi.page())
    schemas = _Schemas(described["components"]["schemas"])
    groups: dict[str, list[str]] = {name: [] for name, _ in _GROUPS} | {_OTHERS: []}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            groups[_group(path)].append(_operation(method.upper(), path, operation, schemas=schemas))
    body = "\n".join(f"<h2>{escape(name)}</h2>\n{chr(10).join(items)}" for name, items in groups.items() if items)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Modelwright: what this door answers</title><style>{_STYLE}</style></head><body>
<h1>What this door answers</h1>
<p>Send your key as <code>Authorization: Bearer mw-…</code> or <code>X-API-Key: mw-…</code>. <code>GET /v1/models</code>
names the endpoints that you may call; each name goes where a request says <code>model</code>. Fields that are not
listed are handed on to the provider. For programs: <a href="openapi.json">openapi.json</a>.</p>
{body}
</body></html>
"""


class _Schemas:
    """The description's types, by name."""

    def __init__(self, known: dict[str, Any]) -> None:
        self._known = known

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """What a reference means; anything else means itself."""
        while "$ref" in schema:
            schema = self._known[schema["$ref"].rpartition("/")[2]]
        return schema

    def kind(self, field: dict[str, Any]) -> str:
        """A type in a few words."""
        field = self.resolve(field)
        several = field.get("anyOf") or field.get("oneOf")
        if several:
            return _either([self.kind(one) for one in several])
        kind = field.get("type", "any")
        if isinstance(kind, list):
            return _either([str(one) for one in kind])
        return f"array of {self.kind(field['items'])}" if kind == "array" and field.get("items") else str(kind)


def _either(kinds: list[str]) -> str:
    return " or ".join(dict.fromkeys(kind for kind in kinds if kind != "null"))


def _group(path: str) -> str:
    for name, paths in _GROUPS:
        if any(path == known or path.startswith(f"{known}/") for known in paths):
            return name
    return _OTHERS


def _operation(method: str, path: str, operation: dict[str, Any], *, schemas: _Schemas) -> str:
    inner = "<p>Needs no key.</p>" if "security" not in operation else ""
    if "requestBody" in operation:
        inner += _fields(operation["requestBody"]["content"]["application/json"]["schema"], schemas)
    inner += f"<pre>{escape(_curl(method, path, operation))}</pre>"
    head = f"<b>{method}</b><code>{escape(path)}</code><span>{escape(operation['summary'])}</span>"
    return f"<details><summary>{head}</summary>{inner}</details>"


def _fields(body: dict[str, Any], schemas: _Schemas) -> str:
    schema = schemas.resolve(body)
    needed = schema.get("required", ())
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(schemas.kind(field))}</td>"
        f"<td>{'yes' if name in needed else ''}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    ]
    return f"<table><tr><th>field</th><th>type</th><th>required</th></tr>{''.join(rows)}</table>"


def _curl(method: str, path: str, operation: dict[str, Any]) -> str:
    words = ["curl", *(["-X", method] if method not in {"GET", "POST"} else []), f"$URL{path}"]
    if "security" in operation:
        words.append('-H "Authorization: Bearer $KEY"')
    if method == "POST":
        words.append("-d @request.json")
    return " ".join(words)
