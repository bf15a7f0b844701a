"""Anthropic's wire: what must be read of a request, an answer or an event, and the error envelope."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.contracts.ledger import Count, Usage
from modelwright.core.errors.calls import CallError
from modelwright.core.ports.providers import AnswerHead
from modelwright.core.wire import openai
from modelwright.core.wire.openai import RequestHead
from modelwright.core.wire.status import status_of
from modelwright.core.wire.unreadable import UNREADABLE

PATH = "/v1/messages"
VERSIONS = (b"anthropic-version", b"anthropic-beta")
"""Headers that reach a provider which speaks this wire, and change what it answers."""
OVERLOADED = 529
"""Anthropic's status of a vendor that has too much to do; its SDK tries again."""


_PLAIN = (None, "auto", "standard_only", "standard")


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Head(msgspec.Struct):
    model: str
    stream: bool | None = None
    metadata: _Metadata | None = None
    max_tokens: Any = None  # these only matter where they are what they should be: it is the provider who judges them
    service_tier: Any = None
    speed: Any = None
    inference_geo: Any = None
    prompt_variables: msgspec.Raw = msgspec.Raw(b"")

    @property
    def tier(self) -> str | None:
        """The word for what is not served at the plain price, the way OpenAI's `service_tier` says it."""
        plain = self.service_tier in _PLAIN and self.speed in _PLAIN and self.inference_geo is None
        return None if plain else "special"


class _OutputDetails(msgspec.Struct, frozen=True):
    thinking_tokens: Count | None = None


class _Lifetimes(msgspec.Struct, frozen=True):
    ephemeral_1h_input_tokens: Count | None = None


class Counts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Token counts; the three kinds of input stand beside each other."""

    input_tokens: Count | None = None
    cache_read_input_tokens: Count | None = None
    cache_creation_input_tokens: Count | None = None
    cache_creation: _Lifetimes | None = None
    """Of the written tokens, those that are kept for an hour: they have a price of their own."""
    output_tokens: Count | None = None
    output_tokens_details: _OutputDetails | None = None

    def later(self, told: Counts) -> Counts:
        """With what a later event tells: its counts are the totals so far, and it leaves out what has not changed."""
        return msgspec.structs.replace(
            self,
            **{name: value for name, value in msgspec.structs.asdict(told).items() if value is not None},
        )


class _ErrorObject(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Answer(msgspec.Struct):
    type: str = ""
    usage: Counts | None = None
    error: _ErrorObject | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Answer | None = None
    usage: Counts | None = None
    error: _ErrorObject | None = None


_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": OVERLOADED,
}
_TYPES = {status: kind for kind, status in _STATUSES.items()}
_CONTENT = frozenset({"content_block_start", "content_block_delta", "content_block_stop", "message_delta"})
_head = msgspec.json.Decoder(_Head)
_answer = msgspec.json.Decoder(_Answer)
_event = msgspec.json.Decoder(_Event)


def read_head(body: bytes) -> RequestHead:
    """The head of a request body; raises Malformed that names the field."""
    try:
        if not body.isascii():
            body.decode()
        head = _head.decode(body)
    except UNREADABLE as error:
        raise openai.unreadable(error, reference="the Anthropic API reference") from None
    return RequestHead(
        model=head.model,
        stream=head.stream,
        user=head.metadata.user_id if head.metadata is not None else None,
        max_tokens=head.max_tokens,
        service_tier=head.tier,
        prompt_variables=head.prompt_variables,
    )


def read_answer(body: bytes) -> AnswerHead | None:
    """Usage and error of a whole answer; None when it is no JSON object."""
    try:
        answer = _answer.decode(body)
    except msgspec.ValidationError:
        return AnswerHead() if body.lstrip()[:1] == b"{" else None
    except UNREADABLE:
        return None
    if answer.type == "error" or answer.error is not None:
        return _told(answer.error)
    return AnswerHead(usage=ledger_usage(answer.usage) if answer.usage else None, choices=1, begins=True)


class EventHeads:
    """Reads what the events of one stream tell; counts come in two of them and are joined."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.done = False
        """The message is complete."""

    def read(self, data: bytes) -> AnswerHead:
        """What one event tells; one that cannot be read counts as content, since it must pass all the same."""
        try:
            event = _event.decode(data)
        except UNREADABLE:
            return AnswerHead(choices=1, begins=True)
        match event.type:
            case "error":
                return _told(event.error)
            case "message_stop":
                self.done = True
            case "message_start" if event.message is not None and event.message.usage is not None:
                self.counts = self.counts.later(event.message.usage)
                # So far it counts nothing of the answer.
                asked = msgspec.structs.replace(self.counts, output_tokens=None)
                return AnswerHead(usage=ledger_usage(asked), choices=1)
            case "message_delta" if event.usage is not None:
                self.counts = self.counts.later(event.usage)
                return AnswerHead(usage=ledger_usage(self.counts), choices=1, begins=True)
            case _:
                pass
        return AnswerHead(choices=1, begins=event.type in _CONTENT)


def ledger_usage(counts: Counts) -> Usage:
    """The counts as the ledger keeps them: cached and written input is part of the input."""
    read, written = counts.cache_read_input_tokens, counts.cache_creation_input_tokens
    details, kept = counts.output_tokens_details, counts.cache_creation
    return Usage(
        input_tokens=None if counts.input_tokens is None else counts.input_tokens + (read or 0) + (written or 0),
        cached_tokens=read,
        cache_write_tokens=None if kept is not None and kept.ephemeral_1h_input_tokens else written,
        output_tokens=counts.output_tokens,
        reasoning_tokens=details.thinking_tokens if details is not None else None,
    )


def status(error: CallError) -> int:
    """The HTTP status of an error on this wire."""
    return OVERLOADED if error.code == "provider_overloaded" else status_of(error)


def error_body(error: CallError) -> bytes:
    """Anthropic's error envelope; the remedy is part of the message, since SDKs show nothing else."""
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return envelope(status(error), message)


def error_event(error: CallError) -> bytes:
    """The event that ends a stream which has failed."""
    return event_bytes("error", error_body(error))


def envelope(code: int, message: str) -> bytes:
    """An error of this status in these words."""
    kind = _TYPES.get(code) or ("invalid_request_error" if code < 500 else "api_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}})


def error_message(body: bytes) -> str:
    """The vendor's own words in an error answer; empty when there are none to be found."""
    try:
        error = _answer.decode(body).error
    except UNREADABLE:
        return ""
    return error.message if error is not None else ""


def event_bytes(name: str, data: bytes) -> bytes:
    """One event, named twice as this wire wants it."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


def _told(error: _ErrorObject | None) -> AnswerHead:
    found = error or _ErrorObject()
    return AnswerHead(error=found.message or "no message", error_status=_STATUSES.get(found.type, 502))
