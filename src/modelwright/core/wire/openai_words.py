"""The OpenAI wire: the words of a chat's last question and of an answer, for comparing them by what they mean."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from modelwright.core.wire.sse import EventSplitter, event_data
from modelwright.core.wire.unreadable import UNREADABLE

_messages = msgspec.json.Decoder(list[msgspec.Raw])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


class LastQuestion(NamedTuple):
    """What a user said last, and what stands around it."""

    words: str
    before: list[bytes]
    """The other messages, and what the last one holds beside its words."""


class _Said(msgspec.Struct):
    content: str | None = None
    tool_calls: Any = None
    function_call: Any = None
    refusal: Any = None


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Said | None = None
    delta: _Said | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice]


_answer = msgspec.json.Decoder(_Answer)


def last_question(messages: bytes) -> LastQuestion | None:
    """The last message, if it is a user's and holds only words."""
    try:
        each = _messages.decode(messages)
        last = _fields.decode(each[-1])
        role = msgspec.json.decode(last["role"])
        words = msgspec.json.decode(last.pop("content"), type=str)
    except (*UNREADABLE, LookupError):
        return None
    if role != "user" or not words.strip():
        return None
    rest = msgspec.json.encode(last, order="sorted")
    return LastQuestion(words, [*(bytes(message) for message in each[:-1]), rest])


def words_of(body: bytes, *, stream: bool) -> str | None:
    """The words of an answer, or of a stream's events; None when it is more than one choice or more than words."""
    try:
        pieces = [event_data(event) for event in EventSplitter(len(body)).push(body)] if stream else [body]
        choices = [choice for piece in pieces if piece for choice in _answer.decode(piece).choices]
    except UNREADABLE:
        return None
    said = [choice.delta if stream else choice.message for choice in choices]
    parts = [one for one in said if one is not None]
    if any(choice.index for choice in choices) or (not stream and len(choices) != 1):
        return None
    if any(one.tool_calls or one.function_call or one.refusal for one in parts):
        return None
    return "".join(one.content or "" for one in parts) or None
