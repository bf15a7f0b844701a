"""The OpenAI wire: what must be read of a request, how a body is changed, usage, and the error envelope."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.contracts.ledger import Usage
from modelwright.core.errors import CallError, Malformed
from modelwright.core.wire.status import status_of

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

    @property
    def asks_usage(self) -> bool:
        """Whether the client wants the usage chunk at the end of its stream."""
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class _TokenDetails(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _TokenDetails | None = None
    completion_tokens_details: _TokenDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek's name of cached input


class _Answer(msgspec.Struct):
    usage: _Usage | None = None


_head = msgspec.json.Decoder(RequestHead)
_answer = msgspec.json.Decoder(_Answer)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def read_head(body: bytes) -> RequestHead:
    """The head of a request body; raises Malformed that names the field.

    The whole body is validated as JSON on the way, in one pass.
    """
    try:
        return _head.decode(body)
    except msgspec.ValidationError as error:
        raise Malformed(_described(error), hint="see the OpenAI API reference", param=_param(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"the body is not valid JSON: {error}", hint="send a JSON object in UTF-8") from None


def with_fields(body: bytes, fields: dict[str, Any]) -> bytes:
    """The same object with some top-level fields set; the bytes of every other value stay as they are."""
    content = _fields.decode(body)
    for name, value in fields.items():
        content[name] = msgspec.Raw(msgspec.json.encode(value))
    return msgspec.json.encode(content)


def ask_for_usage(body: bytes, *, model: str | None = None) -> bytes:
    """A stream request that asks for the usage chunk, keeping the client's other stream options; sets `model` if given."""
    content = _fields.decode(body)
    options: dict[str, Any] = {}
    if "stream_options" in content:
        options = msgspec.json.decode(content["stream_options"]) or {}
    content["stream_options"] = msgspec.Raw(msgspec.json.encode({**options, "include_usage": True}))
    if model is not None:
        content["model"] = msgspec.Raw(msgspec.json.encode(model))
    return msgspec.json.encode(content)


def read_usage(body: bytes) -> Usage | None:
    """Token counts of an answer or of one stream chunk; None when there are none or the body cannot be read."""
    try:
        usage = _answer.decode(body).usage
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if usage is None:
        return None
    cached = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else usage.prompt_cache_hit_tokens
    reasoning = usage.completion_tokens_details.reasoning_tokens if usage.completion_tokens_details else None
    return Usage(
        input_tokens=usage.prompt_tokens,
        cached_tokens=cached,
        output_tokens=usage.completion_tokens,
        reasoning_tokens=reasoning,
    )


_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}


def error_body(error: CallError) -> bytes:
    """The OpenAI error envelope; the remedy is part of the message, since SDKs show nothing else."""
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    kind = _TYPES.get(status_of(error), "api_error")
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": error.param, "code": error.code}})


def _described(error: msgspec.ValidationError) -> str:
    return str(error).replace("Object missing", "the body lacks the").replace(" - at `$", " at `body")


def _param(error: msgspec.ValidationError) -> str | None:
    text = str(error)
    if "missing required field `" in text:
        return text.split("missing required field `")[1].split("`")[0]
    return text.split("`$.")[1].rstrip("`") if "`$." in text else None
