"""OpenAI's responses wire: what must be read of a request, an answer or an event; it is answered without any state."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.contracts.ledger import Count, Usage
from modelwright.core.errors.calls import CallError, Malformed
from modelwright.core.ports.providers import AnswerHead
from modelwright.core.wire import openai
from modelwright.core.wire.openai import RequestHead
from modelwright.core.wire.unreadable import UNREADABLE

PATH = "/v1/responses"
ENDS = frozenset({"response.completed", "response.incomplete"})


class _Head(msgspec.Struct):
    model: str
    stream: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    store: bool | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    max_output_tokens: Any = None  # of these two only whole numbers and words count
    service_tier: Any = None
    prompt_variables: msgspec.Raw = msgspec.Raw(b"")


class _Cached(msgspec.Struct):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None


class _Reasoned(msgspec.Struct):
    reasoning_tokens: Count | None = None


class _Counts(msgspec.Struct):
    input_tokens: Count | None = None
    input_tokens_details: _Cached | None = None
    output_tokens: Count | None = None
    output_tokens_details: _Reasoned | None = None


class _Response(msgspec.Struct):
    usage: _Counts | None = None
    error: msgspec.Raw = msgspec.Raw(b"")


class _Event(msgspec.Struct):
    type: str = ""
    response: _Response | None = None
    message: str | None = None
    code: Any = None
    error: msgspec.Raw = msgspec.Raw(b"")


_QUIET = frozenset({"response.created", "response.in_progress", "response.queued"})
_head = msgspec.json.Decoder(_Head)
_response = msgspec.json.Decoder(_Response)
_event = msgspec.json.Decoder(_Event)
_STATE = "nothing is kept here from one call to the next"


def read_head(body: bytes) -> RequestHead:
    """The head of a request body; raises Malformed that names the field, also when the request leans on state."""
    try:
        if not body.isascii():
            body.decode()
        head = _head.decode(body)
    except UNREADABLE as error:
        raise openai.unreadable(error) from None
    if head.previous_response_id is not None:
        raise Malformed(_STATE, hint="send the whole conversation as `input`", param="previous_response_id")
    if head.conversation is not None:
        raise Malformed(_STATE, hint="send the whole conversation as `input`", param="conversation")
    if head.store:
        raise Malformed(_STATE, hint="send store: false", param="store")
    return RequestHead(
        model=head.model,
        stream=head.stream,
        user=head.user or head.safety_identifier,
        max_tokens=head.max_output_tokens,
        service_tier=head.service_tier,
        prompt_variables=head.prompt_variables,
    )


def unstored(body: bytes) -> bytes:
    """The request for a vendor that would store its answer unless told not to."""
    return openai.with_fields(body, {"store": False})


def read_answer(body: bytes) -> AnswerHead | None:
    """Usage and error of a whole answer; None when it is no JSON object."""
    try:
        answer = _response.decode(body)
    except msgspec.ValidationError:
        return AnswerHead() if body.lstrip()[:1] == b"{" else None
    except UNREADABLE:
        return None
    if answer.error and (told := openai.told_error(answer.error)) is not None:
        return told
    return AnswerHead(usage=_usage(answer), choices=1, begins=True)


class EventHeads:
    """Reads what the events of one stream tell."""

    def __init__(self) -> None:
        self.done = False
        """The response is complete."""

    def read(self, data: bytes) -> AnswerHead:
        """What one event tells; one that cannot be read counts as content, since it must pass all the same."""
        try:
            event = _event.decode(data)
        except UNREADABLE:
            return AnswerHead(choices=1, begins=True)
        if event.type == "error":
            told = {"message": event.message, "code": event.code}
            raw = event.error or msgspec.Raw(msgspec.json.encode(told))
            return openai.told_error(raw) or AnswerHead(error="no message", error_status=502)
        response = event.response
        if event.type == "response.failed":
            told = openai.told_error(response.error) if response is not None and response.error else None
            return told or AnswerHead(error="the response failed", error_status=502)
        self.done = event.type in ENDS
        usage = _usage(response) if response is not None else None
        return AnswerHead(usage=usage, choices=1, begins=event.type not in _QUIET)


def error_event(error: CallError, number: int) -> bytes:
    """The event that ends a stream which has failed; `number` is its place in the sequence."""
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    fields = {"code": error.code, "message": message, "param": error.param}
    return event_bytes("error", fields, number)


def event_bytes(name: str, fields: dict[str, Any], number: int) -> bytes:
    """One event."""
    data = msgspec.json.encode({"type": name, "sequence_number": number, **fields})
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _usage(response: _Response) -> Usage | None:
    counts = response.usage
    if counts is None:
        return None
    read, made = counts.input_tokens_details or _Cached(), counts.output_tokens_details or _Reasoned()
    return Usage(
        input_tokens=counts.input_tokens,
        cached_tokens=read.cached_tokens,
        cache_write_tokens=read.cache_write_tokens,
        output_tokens=counts.output_tokens,
        reasoning_tokens=made.reasoning_tokens,
    )
