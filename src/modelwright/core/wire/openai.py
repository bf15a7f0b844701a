"""The OpenAI wire: what must be read of a request or an answer, how a body is changed, and the error envelope."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.contracts.ledger import Count, Usage
from modelwright.core.errors.calls import CallError, Malformed
from modelwright.core.ports.providers import AnswerHead
from modelwright.core.wire.status import STATUS, status_of
from modelwright.core.wire.unreadable import UNREADABLE

PATHS: dict[str, str] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
}


class StreamOptions(msgspec.Struct, frozen=True):
    """Only what we act on; other fields pass through in the bytes."""

    include_usage: bool | None = None


class RequestHead(msgspec.Struct, frozen=True):
    """The fields of a request that routing needs; everything else stays bytes."""

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    n: Any = None
    best_of: Any = None
    service_tier: Any = None
    prompt_variables: msgspec.Raw = msgspec.Raw(b"")
    """For the variant's prompt; ours, so that no provider gets it."""

    @property
    def most_tokens(self) -> int | None:
        """Tokens that one answer may have at most, by the name that the vendor goes by; None when there is no limit."""
        named = [most for most in (self.max_completion_tokens, self.max_tokens) if type(most) is int]
        return max(named, default=None)

    @property
    def answers(self) -> int:
        """How many answers are made of one prompt; of `best_of` the client sees the best."""
        return max([1, *(count for count in (self.n, self.best_of) if type(count) is int)])

    @property
    def asks_usage(self) -> bool:
        """Whether the client wants the usage chunk at the end of its stream."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class _TokenDetails(msgspec.Struct):
    cached_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    reasoning_tokens: Count | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: Count | None = None
    completion_tokens: Count | None = None
    prompt_tokens_details: _TokenDetails | None = None
    completion_tokens_details: _TokenDetails | None = None
    prompt_cache_hit_tokens: Count | None = None  # DeepSeek's name of cached input
    cached_tokens: Count | None = None  # Moonshot's
    machine_us: int | None = None  # our own workers'


class _Choice(msgspec.Struct):
    delta: dict[str, Any] | None = None
    text: str | None = None
    finish_reason: Any = None
    usage: _Usage | None = None  # where Moonshot puts it


class _Groq(msgspec.Struct):
    usage: _Usage | None = None


class _Answer(msgspec.Struct):
    usage: _Usage | None = None
    x_groq: _Groq | None = None
    error: msgspec.Raw = msgspec.Raw(b"")


class _Event(_Answer):
    choices: list[_Choice] | None = None


class _ErrorObject(msgspec.Struct):
    message: str | None = None
    code: Any = None
    status: Any = None
    type: Any = None


_WORDS = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "content_filter": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "too_many_requests": 429,
}
"""Codes and types that vendors put into error objects, as the status that they stand for."""
_NOTHING = AnswerHead()

_head = msgspec.json.Decoder(RequestHead)
_answer = msgspec.json.Decoder(_Answer)
_event = msgspec.json.Decoder(_Event)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_head(body: bytes) -> RequestHead:
    """The head of a request body; raises Malformed that names the field.

    The whole body is validated as UTF-8 and JSON on the way.
    """
    try:
        if not body.isascii():
            body.decode()
        return _head.decode(body)
    except UNREADABLE as error:
        raise unreadable(error) from None


def unreadable(error: Exception, *, reference: str = "the OpenAI API reference") -> Malformed:
    """What a decoder's error about a request means for its client."""
    if isinstance(error, msgspec.ValidationError):
        return Malformed(_described(error), hint=f"see {reference}", param=_param(error))
    if isinstance(error, UnicodeDecodeError):
        return Malformed(f"the body is not UTF-8 (byte {error.start})", hint="send a JSON object in UTF-8")
    if isinstance(error, RecursionError):
        return Malformed("the body is nested too deeply", hint="send fewer levels of lists and objects")
    problem = str(error).removeprefix("JSON is malformed: ")
    return Malformed(f"the body is not valid JSON: {problem}", hint="send a JSON object in UTF-8")


def with_fields(body: bytes, fields: dict[str, Any], *, without: tuple[str, ...] = ()) -> bytes:
    """The same object with some top-level fields set or left out; the bytes of every other value stay as they are."""
    content = _fields.decode(body)
    for name in without:
        content.pop(name, None)
    for name, value in fields.items():
        content[name] = msgspec.Raw(msgspec.json.encode(value))
    return msgspec.json.encode(content)


def raw_field(body: bytes, name: str) -> bytes:
    """The JSON of a top-level field; empty when there is none."""
    return bytes(_fields.decode(body).get(name, b""))


def ask_for_usage(body: bytes, *, model: str | None = None) -> bytes:
    """A stream request that asks for the usage chunk, the client's other stream options kept; sets `model` if given."""
    content = _fields.decode(body)
    given = bytes(content.get("stream_options", b"null"))
    options = {} if given == b"null" else _fields.decode(given)
    options["include_usage"] = msgspec.Raw(b"true")
    content["stream_options"] = msgspec.Raw(msgspec.json.encode(options))
    if model is not None:
        content["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(content)


def names_model_once(body: bytes) -> bool:
    """Whether no reader of this body could find a second `model`: JSON parsers differ in which of two they take.

    A key spelt with escapes is one too; ordinary encoders never escape these letters.
    """
    return body.count(b'"model"') == 1 and b"\\u006" not in body


def read_answer(body: bytes) -> AnswerHead | None:
    """Usage and error of a whole answer; None when it is no JSON object."""
    try:
        answer = _answer.decode(body)
    except msgspec.ValidationError:
        return _NOTHING if body.lstrip()[:1] == b"{" else None
    except UNREADABLE:
        return None
    if answer.error and (told := told_error(answer.error)) is not None:
        return told
    return AnswerHead(usage=_usage(answer), choices=1, begins=True)


def read_event(data: bytes) -> AnswerHead:
    """What one stream event tells; an event that cannot be read counts as content, since it must pass all the same."""
    try:
        event = _event.decode(data)
    except UNREADABLE:
        return AnswerHead(choices=1, begins=True)
    if event.error and (told := told_error(event.error)) is not None:
        return told
    choices = event.choices or []
    usage = _usage(event)
    if usage is None:
        usage = next((_counts(choice.usage) for choice in choices if choice.usage), None)
    begins = any(_begins(choice) for choice in choices)
    return AnswerHead(usage=usage, choices=len(choices), begins=begins)


_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}


def error_body(error: CallError) -> bytes:
    """The OpenAI error envelope; the remedy is part of the message, since SDKs show nothing else."""
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return envelope(status_of(error), message, code=error.code, param=error.param)


def envelope(status: int, message: str, *, code: str | None = None, param: str | None = None) -> bytes:
    """An error of this status in these words."""
    kind = _TYPES.get(status, "api_error")
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def error_message(body: bytes) -> str:
    """The vendor's own words in an error answer; empty when there are none to be found."""
    try:
        error = _answer.decode(body).error
    except UNREADABLE:
        return ""
    told = told_error(error) if error else None
    return (told.error or "") if told is not None else ""


def _usage(answer: _Answer) -> Usage | None:
    if answer.usage is not None:
        return _counts(answer.usage)
    if answer.x_groq is not None and answer.x_groq.usage is not None:
        return _counts(answer.x_groq.usage)
    return None


def _counts(usage: _Usage) -> Usage:
    prompt, answer = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = prompt.cached_tokens if prompt else None
    if cached is None:
        cached = usage.prompt_cache_hit_tokens if usage.prompt_cache_hit_tokens is not None else usage.cached_tokens
    return Usage(
        input_tokens=usage.prompt_tokens,
        cached_tokens=cached,
        cache_write_tokens=prompt.cache_write_tokens if prompt else None,
        output_tokens=usage.completion_tokens,
        reasoning_tokens=answer.reasoning_tokens if answer else None,
        machine_us=usage.machine_us,
    )


def _begins(choice: _Choice) -> bool:
    if choice.finish_reason is not None or choice.text:
        return True
    return any(value for name, value in (choice.delta or {}).items() if name != "role")


def told_error(raw: msgspec.Raw) -> AnswerHead | None:
    """An error object or text; None for the empty ones that some vendors always send."""
    text = bytes(raw)
    if text in {b"null", b"{}", b'""', b"false"}:
        return None
    try:
        found = msgspec.json.decode(text, type=_ErrorObject)
    except UNREADABLE:
        return AnswerHead(error=text.decode(errors="replace").strip('"'), error_status=502)
    return AnswerHead(error=found.message or "no message", error_status=_error_status(found))


def _error_status(found: _ErrorObject) -> int:
    for word in (found.code, found.status, found.type):
        if isinstance(word, int):
            status = word
        elif isinstance(word, str) and word.isdecimal() and len(word) == 3:
            status = int(word)
        else:
            status = STATUS.get(str(word), 0) or _WORDS.get(str(word), 0)
        if 400 <= status < 600:
            return status
    return 502


def _described(error: msgspec.ValidationError) -> str:
    return str(error).replace("Object missing", "the body lacks the").replace(" - at `$", " at `body")


def _param(error: msgspec.ValidationError) -> str | None:
    text = str(error)
    if "missing required field `" in text:
        return text.split("missing required field `")[1].split("`", maxsplit=1)[0]
    return text.split("`$.")[1].rstrip("`") if "`$." in text else None
