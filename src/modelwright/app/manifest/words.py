"""Says in people's words what the schema found wrong with a value; no jargon of a library, no secret."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic_core import ErrorDetails

from modelwright.app.document.tree import Path
from modelwright.app.manifest.secret import MASK
from modelwright.app.manifest.sections.section import NAME_PATTERN
from modelwright.app.manifest.shape import keys_at, pattern_at
from modelwright.app.secret_stores.section import RECIPIENT_PATTERN
from modelwright.core.nearest import nearest
from modelwright.core.quantities import DURATION_PATTERN, SIZE_PATTERN

_KINDS = {
    "string_type": ("text", "quote it"),
    "int_type": ("a whole number", "write a whole number"),
    "int_from_float": ("a whole number", "write a whole number"),
    "float_type": ("a number", "write a number"),
    "finite_number": ("a finite number", "write a number"),
    "bool_type": ("true or false", "write true or false"),
    "list_type": ("a list", "write a list, such as [a, b]"),
    "tuple_type": ("a list", "write a list, such as [a, b]"),
    "dict_type": ("a map", "write keys and values below it"),
    "model_type": ("a section with keys", "write keys and values below it"),
    "model_attributes_type": ("a section with keys", "write keys and values below it"),
}
_BOUNDS = {
    "greater_than_equal": ("ge", "below", "least"),
    "less_than_equal": ("le", "above", "greatest"),
}
_FORMS = {
    NAME_PATTERN: (
        "is no name",
        "write 1 to 63 lower-case letters, digits and hyphens, a letter or digit at both ends",
    ),
    RECIPIENT_PATTERN: (
        "is no recipient",
        "write its X25519 public key, age1…, as `modelwright secrets identity` prints it",
    ),
    r"^(100|[1-9][0-9]?)%$": ("is no share", "write whole percent, such as 10%"),
    r"^[A-Z]{3}$": ("is no currency", "write its ISO 4217 code, such as USD"),
    r"^(sha256:[0-9a-f]{64})?$": ("is no digest", "write `sha256:` and 64 hex digits, as sha256sum prints them"),
}


def explained(error: ErrorDetails, *, path: Path, masked: bool) -> tuple[str, str, str]:
    """(problem, remedy, nearest known key) for one error of the schema at a path."""
    kind = error["type"]
    context = error.get("ctx", {})
    value = error["input"]
    if kind == "extra_forbidden":
        return unknown_key(str(path[-1]), keys_at(path[:-1]))
    if kind == "missing":
        return f"`{path[-1]}` is missing", _example(path), ""
    if kind in _KINDS:
        return _wrong_kind(kind, value, path=path, masked=masked)
    if kind in _BOUNDS:
        limit, side, word = _BOUNDS[kind]
        bound = _number(context[limit])
        return f"{shown(value, masked=masked)} is {side} {bound}", f"the {word} value is {bound}", ""
    if kind == "literal_error":
        return _not_one_of(value, str(context["expected"]), masked=masked)
    if kind == "string_pattern_mismatch":
        form, remedy = _FORMS.get(context["pattern"], ("has another form", "see the reference of the manifest"))
        return f"{shown(value, masked=masked)} {form}", remedy, ""
    if kind in {"too_short", "string_too_short"}:
        return "empty", f"give at least {context.get('min_length', 1)}, or leave the key out", ""
    if kind == "value_error":
        problem, _, remedy = str(context["error"]).rpartition("; ")
        if masked:
            problem = re.sub(r"'[^']*'|\"[^\"]*\"", MASK, problem)
        return problem, remedy, ""
    return f"{shown(value, masked=masked)} does not fit here", "see the reference of the manifest", ""


def unknown_key(word: str, known: Iterable[str]) -> tuple[str, str, str]:
    """(problem, remedy, nearest known key) for a key that the schema does not know."""
    close = nearest(word, known)
    remedy = f"did you mean `{close}`?" if close else f"known here: {', '.join(sorted(known)) or 'nothing'}"
    return f"`{word}` is not a known key", remedy, close


def shown(value: Any, *, masked: bool = False) -> str:
    """A value as it may stand in an error: short, and masked when it came from outside."""
    if masked:
        return MASK
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _wrong_kind(kind: str, value: Any, *, path: Path, masked: bool) -> tuple[str, str, str]:
    wanted, remedy = _KINDS[kind]
    field = path[-1] if path else ""
    if kind == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        unit = _unit_at(path)
        if unit:
            return f"{value} has no unit", f"write such as {value}{unit}", ""
        remedy = f'write "{value}", in quotes'
    if kind == "string_type" and isinstance(value, dict | list):
        remedy = "write one value"
    if kind.startswith("model_") and isinstance(value, str) and "kind" in keys_at(path):
        remedy = f"write `{field}: {{kind: …}}`" if masked else f'write `{field}: {{kind: "{value}"}}`'
    if value is None:
        return "has no value", f"give it {wanted}, or leave `{field}` out", ""
    return f"{shown(value, masked=masked)} is not {wanted}", remedy, ""


def _not_one_of(value: Any, expected: str, *, masked: bool) -> tuple[str, str, str]:
    choices = re.findall(r"'([^']*)'|(\d+)", expected)
    words = [text or number for text, number in choices]
    close = nearest(str(value), words) if isinstance(value, str) and not masked else ""
    listed = words[0] if len(words) == 1 else f"one of {', '.join(words)}"
    remedy = f"did you mean {close}? It is {listed}" if close and len(words) > 1 else f"write {listed}"
    return f"{shown(value, masked=masked)} is not known here", remedy, ""


def _unit_at(path: Path) -> str:
    return {DURATION_PATTERN: "s", SIZE_PATTERN: "B"}.get(pattern_at(path), "")


def _number(value: Any) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _example(path: Path) -> str:
    examples = {
        "schema": "write `schema: 1`",
        "name": "write such as `name: support`",
        "source": "write `source: ./path/of/the/model/file`",
        "kind": "write such as `kind: openai`",
        "variants": "write such as `variants: {main: {provider: …, model: …}}`",
    }
    return examples.get(str(path[-1]), f"write `{path[-1]}: …`")
