"""Whether an answer on one of the wires, or a recorded stream of OpenAI's, is whole, so that it may be given again."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.contracts.ledger import Usage
from modelwright.core.wire.sse import DONE, EventSplitter, event_bytes, event_data
from modelwright.core.wire.unreadable import UNREADABLE

FINISHED = frozenset({"stop", "tool_calls", "function_call"})
"""Finish reasons of an answer that says all it has to say."""
STOPPED = frozenset({"end_turn", "max_tokens", "stop_sequence", "tool_use"})
"""Likewise on Anthropic's wire, where every request limits the length."""
COMPLETED = "completed"
"""Likewise of a response."""
CUT = "length"
"""The reason of one that the request's own limit ended: whole too, when the request had one."""
END = event_bytes(DONE)


class _Choice(msgspec.Struct):
    index: int = 0
    finish_reason: Any = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    data: list[msgspec.Raw] | None = None
    stop_reason: Any = None  # of Anthropic's messages
    status: Any = None  # of responses
    error: Any = None


class _Event(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None
    id: msgspec.Raw = msgspec.Raw(b"null")
    object: msgspec.Raw = msgspec.Raw(b"null")
    created: msgspec.Raw = msgspec.Raw(b"null")
    model: msgspec.Raw = msgspec.Raw(b"null")


class Recorded(msgspec.Struct, frozen=True):
    """A whole stream, taken apart."""

    events: bytes
    """All but the one that holds only usage, and the end mark."""
    usage: bytes
    """That one; empty when there was none."""
    chunks: int
    """How many `events` are."""
    first: bytes
    """The data of the first one that is no comment."""


_answer = msgspec.json.Decoder(_Answer)
_event = msgspec.json.Decoder(_Event)


def is_whole(body: bytes, *, limited: bool) -> bool:
    """Whether a body of 200 is an answer with an end that we know, or a list of vectors.

    `limited`: the request says how long the answer may be.
    """
    try:
        answer = _answer.decode(body)
    except UNREADABLE:
        return False
    if answer.error:
        return False
    if answer.choices:
        return all(_is_end(choice.finish_reason, limited) for choice in answer.choices)
    return bool(answer.data) or answer.stop_reason in STOPPED or answer.status == COMPLETED


def read_recorded(stream: bytes, *, limited: bool) -> Recorded | None:
    """A stream from its first to its last byte; None unless it is whole and every choice came to an end we know."""
    splitter = EventSplitter(limit=len(stream))
    kept: list[bytes] = []
    usage, first = b"", b""
    open_choices: set[int] = set()
    ended: set[int] = set()
    events = splitter.push(stream)
    if splitter.rest() or not events or event_data(events[-1]) != DONE:
        return None
    for event in events[:-1]:
        data = event_data(event)
        if not data:
            continue
        try:
            told = _event.decode(data)
        except UNREADABLE:
            return None
        if told.error or data == DONE:
            return None
        if not told.choices and bytes(told.usage) != b"null":
            usage = event
            continue
        for choice in told.choices or ():
            open_choices.add(choice.index)
            if choice.finish_reason is not None:
                if not _is_end(choice.finish_reason, limited):
                    return None
                ended.add(choice.index)
        first = first or data
        kept.append(event)
    if not ended or open_choices != ended:
        return None
    return Recorded(b"".join(kept), usage, len(kept), first)


def usage_event(first: bytes, usage: Usage) -> bytes:
    """The event that a client gets who asks for usage, after a stream that began with `first`; empty when unknown."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return b""
    head = _event.decode(first)
    counts: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if usage.cached_tokens is not None:
        counts["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        counts["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    fields = {"id": head.id, "object": head.object, "created": head.created, "model": head.model}
    return event_bytes(msgspec.json.encode({**fields, "choices": [], "usage": counts}))


def _is_end(reason: Any, limited: bool) -> bool:  # noqa: FBT001 - a private question
    return reason in FINISHED or (limited and reason == CUT)
