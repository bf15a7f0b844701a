"""Reads what an answer must look like: OpenAI's `response_format`, and the names that vLLM's and TGI's clients use."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from modelwright.core.errors.calls import Malformed, Unprocessable
from modelwright.core.ports.engines import Constraint
from modelwright.serving.text.expanded import MOST, expanded

MOST_GRAMMAR = 64 << 10
"""Characters of a grammar."""
_Choices = Annotated[list[str], msgspec.Meta(min_length=1)]
_ANY_OBJECT = Constraint("json_schema", '{"type":"object"}')
_KNOWN = "text, json_object, json_schema or regex"


class _JsonSchema(msgspec.Struct):
    schema: dict[str, Any] | None = None
    name: str = ""


class ResponseFormat(msgspec.Struct):
    """OpenAI's field; `regex` with `value` or `pattern` is TGI's."""

    type: str
    json_schema: _JsonSchema | None = None
    value: str | None = None
    pattern: str | None = None


class StructuredOutputs(msgspec.Struct, forbid_unknown_fields=True):
    """vLLM's field."""

    json: dict[str, Any] | str | None = None
    regex: str | None = None
    choice: _Choices | None = None
    grammar: str | None = None
    json_object: bool | None = None


class Guided(msgspec.Struct, kw_only=True):
    """All fields of a body that say what the answer must look like."""

    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: dict[str, Any] | str | None = None
    guided_regex: str | None = None
    guided_choice: _Choices | None = None
    guided_grammar: str | None = None


def constraint_of(body: Guided) -> Constraint | None:
    """The one grammar that a body names; raises Malformed or Unprocessable that names the field."""
    found: dict[str, Constraint] = {}
    if body.response_format is not None and (wanted := _response_format(body.response_format)):
        found["response_format"] = wanted
    if (outputs := body.structured_outputs) is not None:
        for name in ("json", "regex", "choice", "grammar"):
            if (value := getattr(outputs, name)) is not None:
                found[f"structured_outputs.{name}"] = _made(name, value)
        if outputs.json_object:
            found["structured_outputs.json_object"] = _ANY_OBJECT
    for name in ("json", "regex", "choice", "grammar"):
        if (value := getattr(body, f"guided_{name}")) is not None:
            found[f"guided_{name}"] = _made(name, value)
    if len(found) > 1:
        first, second, *_ = found
        raise Malformed(
            f"`{first}` and `{second}` both say what the answer must look like", hint="send one of them", param=second
        )
    for name, grammar in found.items():
        if len(grammar.text) > MOST_GRAMMAR:
            raise Unprocessable(
                f"`{name}` has {len(grammar.text)} characters, at most {MOST_GRAMMAR} are taken",
                hint="send a shorter one",
                param=name,
            )
        if (signs := expanded(grammar)) > MOST:
            raise Unprocessable(
                f"`{name}` has {signs if signs < 10**9 else 'more than 10^9'} signs with its repetitions written out, "
                f"at most {MOST} are taken",
                hint="repeat less, or without a number: `*` or `+`",
                param=name,
            )
        return grammar
    return None


def _response_format(wanted: ResponseFormat) -> Constraint | None:
    match wanted:
        case ResponseFormat(type="text"):
            return None
        case ResponseFormat(type="json_object"):
            return _ANY_OBJECT
        case ResponseFormat(type="json_schema", json_schema=_JsonSchema(schema=dict() as schema)):
            return _made("json", schema)
        case ResponseFormat(type="regex", value=str() as text) | ResponseFormat(type="regex", pattern=str() as text):
            return _made("regex", text)
        case _:
            raise Malformed(
                f"`response_format` is not {_KNOWN}, or lacks what that needs",
                hint="see structured outputs in the OpenAI API reference",
                param="response_format",
            )


def _made(name: str, value: Any) -> Constraint:
    match name:
        case "json":
            return Constraint("json_schema", value if isinstance(value, str) else msgspec.json.encode(value).decode())
        case "choice":
            return Constraint("regex", "|".join(f"({_escaped(choice)})" for choice in value))
        case "regex":
            return Constraint("regex", value)
        case _:
            return Constraint("grammar", value)


def _escaped(text: str) -> str:
    """As a regular expression that only this text matches."""
    return re.sub(r"[.^$*+?{}\[\]\\|()/-]", r"\\\g<0>", text)
