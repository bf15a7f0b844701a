"""What the dev provider says: same request, same words, counts and vectors; it knows neither HTTP nor faults."""

from __future__ import annotations

import functools
import hashlib
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, Protocol

import msgspec

WORDS = ("Same", " question", ",", " same", " answer", ":", " naïve", " 你好", " and", " 🙂", ".")
"""Tokens of an answer, again from the front when it is longer; some are several bytes long, as in real life."""
CREATED = 1_700_000_000
"""The `created` of every answer."""
DIMENSIONS = 16
DONE = b"data: [DONE]\n\n"
ARGUMENTS = ('{"said":"', '"}')
"""What stands around the words where they are the arguments of a function."""
TOLD_TO_FAIL = "the dev provider was told to fail here"

ENCODED = [msgspec.json.encode(word) for word in WORDS]
_MARK = "\ufffe"
_Count = Annotated[int, msgspec.Meta(ge=0)]


class StreamOptions(msgspec.Struct, frozen=True):
    """`stream_options` of a request."""

    include_usage: bool | None = None


class Ask(msgspec.Struct, frozen=True):
    """The fields of a request that change the answer."""

    model: str
    messages: msgspec.Raw = msgspec.Raw()
    prompt: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()
    instructions: str | None = None
    system: msgspec.Raw = msgspec.Raw()
    tool_choice: Any = None
    thinking: dict[str, Any] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None
    max_output_tokens: _Count | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=65_536)] | None = None
    encoding_format: Literal["float", "base64"] | None = None

    @property
    def forced_tool(self) -> str:
        """The name of the function that must be called; empty when none must be."""
        match self.tool_choice:
            case {"type": "function", "function": {"name": str(name)}}:
                return name
            case {"type": "function" | "tool", "name": str(name)}:
                return name
            case _:
                return ""


class Telling(Protocol):
    """An answer of words on one of the wires, whole or as events."""

    tokens: int

    def whole(self) -> bytes:
        """The body of an answer that is not streamed."""
        ...

    def opening(self) -> bytes:
        """What a stream sends before its first token."""
        ...

    def events(self) -> Iterator[bytes]:
        """One event per token."""
        ...

    def closing(self) -> bytes:
        """The events after the last token."""
        ...

    def broken(self) -> bytes:
        """The event that some vendors send when a stream fails after it began."""
        ...


class Answer:
    """Chat and completions."""

    __slots__ = ("_ask", "_chat", "_finish", "_head", "_prompt", "_words", "tokens")

    def __init__(self, ask: Ask, *, chat: bool, number: int, tokens: int, words: Sequence[str] = WORDS) -> None:
        """`words` are the tokens, again from the front when there are more."""
        prompt = bytes(ask.messages if chat else ask.prompt)
        limit = ask.max_completion_tokens if ask.max_completion_tokens is not None else ask.max_tokens
        self._ask = ask
        self._chat = chat
        self._prompt = tokens_of(prompt)
        self._finish = ("tool_calls" if self._tool else "stop") if limit is None or limit >= tokens else "length"
        self._words = words
        self.tokens = tokens if limit is None else max(0, min(limit, tokens))
        self._head: dict[str, Any] = {
            "id": f"{'chatcmpl' if chat else 'cmpl'}-dev-{number}",
            "object": "chat.completion" if chat else "text_completion",
            "created": CREATED,
            "model": ask.model,
            "system_fingerprint": f"fp_{hashlib.blake2s(prompt, digest_size=5).hexdigest()}",
        }

    def whole(self) -> bytes:
        text = text_of(self.tokens, tuple(self._words))
        said = {"message": self._message(text)} if self._chat else {"text": text}
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": self._finish}
        return msgspec.json.encode({**self._head, "choices": [choice], "usage": self.usage()})

    def opening(self) -> bytes:
        if not self._chat:
            return b""
        role = self._event({"delta": {"role": "assistant", "content": ""}}, None)
        return role + self._event({"delta": {"tool_calls": [self._call(ARGUMENTS[0])]}}, None) if self._tool else role

    def events(self) -> Iterator[bytes]:
        if self._tool:
            said: dict[str, Any] = {"delta": {"tool_calls": [{"index": 0, "function": {"arguments": _MARK}}]}}
        else:
            said = {"delta": {"content": _MARK}} if self._chat else {"text": _MARK}
        before, _, after = self._event(said, None).rpartition(msgspec.json.encode(_MARK))
        words = ENCODED if self._words is WORDS else [msgspec.json.encode(word) for word in self._words]
        for index in range(self.tokens):
            yield before + words[index % len(words)] + after

    def closing(self) -> bytes:
        last = self._event({"delta": {}} if self._chat else {"text": ""}, self._finish)
        if self._tool:
            more = {"tool_calls": [{"index": 0, "function": {"arguments": ARGUMENTS[1]}}]}
            last = self._event({"delta": more}, None) + last
        if not self._counts:
            return last + DONE
        return last + _event_of({**self._chunk(), "choices": [], "usage": self.usage()}) + DONE

    def broken(self) -> bytes:
        return b"data: " + error_body(TOLD_TO_FAIL, kind="server_error", code="dev_fault") + b"\n\n"

    def usage(self) -> dict[str, Any]:
        """One prompt token per four bytes of its JSON; a quarter of it cached, a quarter of the answer reasoning."""
        return {
            "prompt_tokens": self._prompt,
            "completion_tokens": self.tokens,
            "total_tokens": self._prompt + self.tokens,
            "prompt_tokens_details": {"cached_tokens": self._prompt // 4},
            "completion_tokens_details": {"reasoning_tokens": self.tokens // 4},
        }

    @property
    def _tool(self) -> str:
        return self._ask.forced_tool if self._chat else ""

    def _message(self, text: str) -> dict[str, Any]:
        if not self._tool:
            return {"role": "assistant", "content": text}
        call = self._call(text.join(ARGUMENTS))
        del call["index"]
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    def _call(self, arguments: str) -> dict[str, Any]:
        function = {"name": self._tool, "arguments": arguments}
        return {"index": 0, "id": "call_dev", "type": "function", "function": function}

    @property
    def _counts(self) -> bool:
        return self._ask.stream_options is not None and bool(self._ask.stream_options.include_usage)

    def _chunk(self) -> dict[str, Any]:
        return {**self._head, "object": "chat.completion.chunk"} if self._chat else self._head

    def _event(self, said: dict[str, Any], finish: str | None) -> bytes:
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self._counts else {}
        return _event_of({**self._chunk(), "choices": [choice], **usage})


@functools.lru_cache(maxsize=64)
def text_of(tokens: int, words: tuple[str, ...] = WORDS) -> str:
    """The words of an answer of so many tokens."""
    return "".join(words[index % len(words)] for index in range(tokens))


def echoed(ask: Ask, size: int) -> list[str]:
    """What the last message or the prompt says, in pieces of so many characters."""
    said = _said(msgspec.json.decode(ask.messages or ask.prompt or ask.input))
    return [said[start : start + size] for start in range(0, len(said), size)]


def _said(content: Any) -> str:
    """The text of a list of messages or parts, of one of them, or a text."""
    if isinstance(content, list) and content:
        is_parts = isinstance(content[-1], dict) and "role" not in content[-1]
        return "".join(map(_said, content)) if is_parts else _said(content[-1])
    if isinstance(content, dict):
        return _said(content.get("content") or content.get("text") or "")
    return content if isinstance(content, str) else ""


def tokens_of(prompt: bytes) -> int:
    """One token per four bytes."""
    return math.ceil(len(prompt) / 4)


def embeddings(ask: Ask) -> bytes:
    """One unit vector of float32 per input, made of its hash; as numbers or as base64 (msgspec's form of bytes)."""
    inputs = _inputs(ask)
    dimensions = ask.dimensions or DIMENSIONS
    rows = [vector(item, dimensions) for item in inputs]
    packed = ask.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": row if packed else _floats(row)}
        for index, row in enumerate(rows)
    ]
    tokens = sum(math.ceil(len(item) / 4) for item in inputs)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": ask.model, "usage": usage})


def vector(item: bytes, dimensions: int) -> bytes:
    """A unit vector as little-endian float32."""
    noise = hashlib.shake_128(item).digest(2 * dimensions)
    values = [number / 32768 for number in struct.unpack(f"<{dimensions}h", noise)]
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return struct.pack(f"<{dimensions}f", *(value / length for value in values))


def models() -> bytes:
    """The list of models; every other name is answered as well."""
    row = {"id": "dev-model", "object": "model", "created": CREATED, "owned_by": "modelwright"}
    return msgspec.json.encode({"object": "list", "data": [row]})


def error_body(message: str, *, kind: str, code: str | None = None) -> bytes:
    """OpenAI's error envelope."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": None, "code": code}})


def _event_of(content: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(content) + b"\n\n"


def _floats(row: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(row) // 4}f", row))


def _inputs(ask: Ask) -> list[bytes]:
    """The texts or token lists to embed; a list of numbers alone is one input."""
    given: Any = msgspec.json.decode(ask.input, type=str | list[str | int | list[int]])
    given = given if isinstance(given, list) else [given]
    if given and all(isinstance(item, int) for item in given):
        given = [given]
    return [item.encode() if isinstance(item, str) else msgspec.json.encode(item) for item in given]
