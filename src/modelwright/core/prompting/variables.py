"""What a prompt's variables may hold, and the messages that they make; pure, it knows no template language."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, cast

from modelwright.core.contracts.snapshot import Prompt, PromptVariable
from modelwright.core.errors.calls import Malformed
from modelwright.core.nearest import nearest

FIELD = "prompt_variables"
"""The field of a request's body that holds them; no provider sees it."""
ROLES = ("system", "user", "assistant")
LENGTHS = {"string": (10_000, 100_000), "list": (100, 1_000)}
"""Most characters or items: by default, and at all."""
MAX_ITEM = 1_000
"""Characters of an item of a list."""
MAX_VARIABLES = 50
VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,62}")
_WHOLE = 1 << 63
_SHOWN = 40


def label(prompt: Prompt) -> str:
    """`name@version`."""
    return f"{prompt.name}@{prompt.version}"


def values_of(prompt: Prompt, given: Mapping[str, Any], *, known: Collection[str] = ()) -> dict[str, Any]:
    """A value for every variable of the prompt; raises Malformed that names the first one that is missing or wrong.

    `known` are the names that other variants of the endpoint take: giving them too is no fault.
    """
    values: dict[str, Any] = {}
    for variable in prompt.variables:
        name = variable.name
        if name in given:
            problem = problem_of(variable, given[name])
            if problem:
                raise _wrong(
                    name, f"prompt variable {name!r} {problem}", hint=f"{label(prompt)} takes {told(variable)}"
                )
            values[name] = given[name]
        elif variable.required:
            problem = f"prompt variable {name!r} is missing"
            raise _wrong(name, problem, hint=f"put it into {FIELD!r}: {label(prompt)} takes {told(variable)}")
        else:
            values[name] = variable.default
    check_names(given, {*known, *values})
    return values


def check_names(given: Iterable[str], known: Collection[str]) -> None:
    """Raises Malformed that names the first variable that no prompt takes."""
    for name in given:
        if name not in known:
            close = nearest(name, known)
            hint = f"did you mean {close}?" if close else f"known: {', '.join(sorted(known)) or 'none'}"
            raise _wrong(name, f"there is no prompt variable {name[:_SHOWN]!r}", hint=hint)


def problem_of(variable: PromptVariable, value: Any) -> str:
    """Why this cannot be the variable's value; empty when it can."""
    match variable.type:
        case "string":
            return _string_problem(value, variable.max_length)
        case "integer":
            fits = isinstance(value, int) and not isinstance(value, bool) and -_WHOLE <= value < _WHOLE
            return "" if fits else "is no whole number of 64 bits"
        case "number":
            return "" if _is_number(value) else "is no finite number"
        case "boolean":
            return "" if isinstance(value, bool) else "is neither true nor false"
        case _:
            return _list_problem(value, variable.max_length)


def told(variable: PromptVariable) -> str:
    """The variable's type in words."""
    match variable.type:
        case "string":
            return f"a string of at most {variable.max_length} characters"
        case "list":
            return f"a list of at most {variable.max_length} strings, numbers and booleans"
        case "integer":
            return "an integer"
        case kind:
            return f"a {kind}"


def messages_of(prompt: Prompt, texts: Sequence[str]) -> list[dict[str, str]]:
    """The messages in the OpenAI wire's form; one whose text came out blank is left out."""
    pairs = zip(prompt.messages, texts, strict=True)
    return [{"role": message.role, "content": text} for message, text in pairs if text and not text.isspace()]


def _string_problem(value: Any, longest: int) -> str:
    if not isinstance(value, str):
        return "is no string"
    return "" if len(value) <= longest else f"has {len(value)} characters, more than {longest}"


def _list_problem(value: Any, most: int) -> str:
    if not isinstance(value, list):
        return "is no list"
    items = cast("list[object]", value)
    if len(items) > most:
        return f"has {len(items)} items, more than {most}"
    for number, item in enumerate(items):
        if isinstance(item, str):
            if len(item) > MAX_ITEM:
                return f"holds an item of more than {MAX_ITEM} characters (number {number + 1})"
        elif not isinstance(item, bool) and not _is_number(item):
            return f"holds an item that is no string, number or boolean (number {number + 1})"
    return ""


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_WHOLE <= value < _WHOLE if isinstance(value, int) else math.isfinite(value)


def _wrong(name: str, problem: str, *, hint: str) -> Malformed:
    return Malformed(problem, hint=hint, param=f"{FIELD}.{name[:_SHOWN]}")
