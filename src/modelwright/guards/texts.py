"""Finds the texts in a JSON body, and changes some of them while every other byte stays as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from modelwright.core.errors.calls import Malformed
from modelwright.core.prompting.variables import FIELD as VARIABLES

NAMES = frozenset({
    "call_id", "data", "detail", "encrypted_content", "file_data", "file_id", "finish_reason", "format", "id",
    "media_type", "mime_type", "name", "object", "role", "signature", "status", "stop_reason", "tool_call_id",
    "tool_use_id", "type", "url",
})  # fmt: skip
"""Keys whose values are no texts: names, references, and files, which no rule about words can read."""
JSON_TEXT = "arguments"
"""The key whose text is JSON itself."""
QUESTION: dict[str, frozenset[str]] = {
    "chat": frozenset({"messages", "prediction", VARIABLES}),
    "completions": frozenset({"prompt", "suffix"}),
    "embeddings": frozenset({"input"}),
    "messages": frozenset({"messages", "system", VARIABLES}),
    "responses": frozenset({"input", "instructions", VARIABLES}),
}
"""Where the texts of a request are."""
ANSWER = frozenset({"choices", "content", "output"})
"""Where those of a whole answer are, on any wire."""
kind_of: Callable[[Any], Any] = type
"""To compare, which is quicker than to ask with isinstance."""

_CHOSEN = (None, VARIABLES)
"""Below it people choose the keys: a variable that is called `name` holds a text like any other."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
Path: TypeAlias = "tuple[Path, str | int] | None"
"""The way to a value, its last step last."""


class Text(msgspec.Struct, frozen=True):
    """One text of a body."""

    number: int
    """Which of the body's strings it is, keys counted too."""
    text: str
    path: Path
    role: str
    """Of the message that it is part of; empty outside of messages."""
    is_json: bool


def texts_of(body: bytes, roots: frozenset[str]) -> list[Text]:
    """The texts below these top-level keys, in order; raises Malformed when a key stands twice in one object.

    Two readers of such a body could see two different texts.
    """
    content = _decode(body)
    found: list[Text] = []
    number = _walk(content, roots, found)
    if number != _strings(body):
        raise Malformed("a key stands twice in one object of the body", hint="send each key once")
    return found


def with_texts(body: bytes, changed: Mapping[int, str]) -> bytes:
    """The body with some of its strings replaced, by their number."""
    pieces: list[bytes] = []
    done = 0
    for number, string in enumerate(_STRING.finditer(body)):
        if number in changed:
            pieces.extend((body[done : string.start()], msgspec.json.encode(changed[number])))
            done = string.end()
    return b"".join([*pieces, body[done:]])


def shown(path: Path) -> str:
    """A path as people write it: `messages[2].content`."""
    steps: list[str | int] = []
    while path is not None:
        path, step = path
        steps.append(step)
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in reversed(steps))
    return text.removeprefix(".")


def _strings(body: bytes) -> int:
    """How many strings stand in the body."""
    if b"\\" not in body:
        return body.count(b'"') // 2
    return sum(1 for _ in _STRING.finditer(body))


def _walk(content: dict[str, Any], roots: frozenset[str], found: list[Text]) -> int:
    """Collect the texts; how many strings there are in all. Without recursion, since bodies may be deep."""
    number = 0
    role = ""
    stack: list[tuple[Iterator[tuple[str | int, Any]], Path, bool]] = [(iter(content.items()), None, False)]
    while stack:
        items, path, wanted = stack[-1]
        for step, value in items:
            is_key = type(step) is str
            number += is_key
            if path is None:
                wanted = step in roots
            here = wanted and (step not in NAMES or path == _CHOSEN)
            kind = kind_of(value)
            if kind is str:
                if here:
                    found.append(Text(number, value, (path, step), role, step == JSON_TEXT))
                number += 1
            elif kind is dict:
                if len(stack) == 2 and wanted:
                    role = value.get("role") or ""
                stack.append((iter(value.items()), (path, step), here))
                break
            elif kind is list:
                entries: list[Any] = value
                stack.append((iter(enumerate(entries)), (path, step), here))
                break
        else:
            stack.pop()
    return number
