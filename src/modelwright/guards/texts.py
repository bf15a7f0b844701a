"""Finds the texts in a JSON body, and changes some of them while every other byte stays as it is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from modelwright.core.prompting.variables import FIELD as VARIABLES
from modelwright.core.wire.sse import DONE, EventSplitter, event_data

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
UNREADABLE = (ValueError, RecursionError)
"""What there is to catch of a body that is no JSON, or holds a number that has no value here."""
kind_of: Callable[[Any], Any] = type
"""To compare, which is quicker than to ask with isinstance."""

_VARIABLES, _GIVEN = 1, 2
_CHOSEN: Mapping[str | int, int] = {VARIABLES: _VARIABLES, JSON_TEXT: _GIVEN, "input": _GIVEN}
"""Objects whose keys people or models choose: one that is called `name` holds a text like any other. In what a tool is
given the keys are texts themselves, and numbers may be anything.
"""
_LONG = 10**7
"""A smaller number is nobody's."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_VALUE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[-0-9][-+.0-9eE]*', re.DOTALL)
Path: TypeAlias = "tuple[Path, str | int] | None"
"""The way to a value, its last step last."""


class Text(msgspec.Struct, frozen=True):
    """One text of a body."""

    number: int
    """Which of the body's strings it is, keys counted too; below zero, which of its numbers, from -1 on."""
    text: str
    path: Path
    role: str
    """Of the message that it is part of; empty outside of messages."""
    is_json: bool = False


class TooManyError(ValueError):
    """There are more strings in a body than anybody means to send: to look at each would take minutes."""


class TwoReadingsError(ValueError):
    """A key stands twice in one object: two readers of such a body could see two different texts."""


def texts_of(body: bytes, roots: frozenset[str], *, most: float = math.inf) -> list[Text]:
    """The texts below these top-level keys, in order.

    Raises what UNREADABLE names, of it TwoReadingsError, and TooManyError for more than `most` strings, keys counted.
    """
    if body.count(b'"') > 2 * most and _strings(body) > most:
        raise TooManyError
    content = _decode(body)
    found: list[Text] = []
    number = _walk(content, roots, found)
    if number != _strings(body):
        raise TwoReadingsError
    return found


def words_of(events: bytes) -> str:
    """What whole events of a stream say; all that stands in one that cannot be read."""
    found: list[Text] = []
    unread = ""
    for event in EventSplitter().push(events):
        data = event_data(event)
        if data and data != DONE:
            try:
                _walk(_decode(data), ANSWER, found)
            except UNREADABLE:
                unread += data.decode("utf-8", "replace")
    return "".join(text.text for text in found) + unread


def with_texts(body: bytes, changed: Mapping[int, str]) -> bytes:
    """The body with some of its strings and numbers replaced by strings."""
    pieces: list[bytes] = []
    strings, numbers, done = 0, -1, 0
    for value in (_STRING if min(changed, default=0) >= 0 else _VALUE).finditer(body):
        if body.startswith(b'"', value.start()):
            number, strings = strings, strings + 1
        else:
            number, numbers = numbers, numbers - 1
        if number in changed:
            pieces.extend((body[done : value.start()], msgspec.json.encode(changed[number])))
            done = value.end()
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
    strings, numbers, role = 0, -1, ""
    stack: list[tuple[Iterator[tuple[str | int, Any]], Path, bool, int]] = [(iter(content.items()), None, False, 0)]
    while stack:
        items, path, wanted, chosen = stack[-1]
        for step, value in items:
            if path is None:
                wanted, role = step in roots, ""
            here = wanted
            if type(step) is str:
                if wanted and chosen == _GIVEN:
                    found.append(Text(strings, step, path, role))
                strings += 1
                here = wanted and (chosen > 0 or step not in NAMES)
            kind = kind_of(value)
            if kind is str:
                if here:
                    found.append(Text(strings, value, (path, step), role, step == JSON_TEXT))
                strings += 1
            elif kind is dict or kind is list:
                if kind is dict and len(stack) == 2:
                    role = _role(value)
                inner = chosen or (_CHOSEN.get(step, 0) if kind is dict else 0)
                entries: Any = value.items() if kind is dict else enumerate(value)
                stack.append((iter(entries), (path, step), here, inner))
                break
            elif kind is int or kind is float:
                if here and chosen == _GIVEN and value > _LONG:
                    found.append(Text(numbers, str(value).removesuffix(".0"), (path, step), role))
                numbers -= 1
        else:
            stack.pop()
    return strings


def _role(message: dict[str, Any]) -> str:
    role = message.get("role")
    return role if isinstance(role, str) else ""
