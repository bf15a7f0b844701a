"""The dev provider's answers on Anthropic's wire, written down from that wire's own description."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from modelwright.app.dev_provider.answers import ARGUMENTS, TOLD_TO_FAIL, WORDS, Ask, text_of, tokens_of

PATH = "/v1/messages"
VERSION = b"anthropic-version"
_THOUGHT = "The same question."
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class _Message(msgspec.Struct):
    role: str
    content: str | list[dict[str, Any]]


class MessagesAnswer:
    """Words, the arguments of a tool that must be called, and thoughts where thinking is enabled."""

    def __init__(self, ask: Ask, *, number: int, tokens: int, words: Sequence[str] = WORDS) -> None:
        """`words` are the tokens, again from the front when there are more."""
        limit = ask.max_tokens or 0
        self._ask = ask
        self._words = tuple(words)
        self._tool = ask.forced_tool
        self._thinks = (ask.thinking or {}).get("type") in {"enabled", "adaptive"}
        self.tokens = max(0, min(limit, tokens))
        reason = "tool_use" if self._tool else "end_turn"
        self._reason = reason if limit >= tokens else "max_tokens"
        self._id = f"msg_dev_{number}"
        self._index = int(self._thinks)
        """Of the block with the words."""

    def whole(self) -> bytes:
        text = text_of(self.tokens, self._words)
        said = {"input": msgspec.json.decode(text.join(ARGUMENTS))} if self._tool else {"text": text}
        thought = [{"type": "thinking", "thinking": _THOUGHT, "signature": "dev-signature"}] if self._thinks else []
        content = [*thought, {**self._block(), **said}]
        return msgspec.json.encode(
            {**self._message(content), "stop_reason": self._reason, "usage": self._usage(self.tokens)}
        )

    def opening(self) -> bytes:
        start = {**self._message([]), "stop_reason": None, "usage": self._usage(1)}
        out = [_event("message_start", {"message": start}), _event("ping", {})]
        if self._thinks:
            block = {"type": "thinking", "thinking": "", "signature": ""}
            out += [
                _event("content_block_start", {"index": 0, "content_block": block}),
                _delta(0, {"type": "thinking_delta", "thinking": _THOUGHT}),
                _delta(0, {"type": "signature_delta", "signature": "dev-signature"}),
                _event("content_block_stop", {"index": 0}),
            ]
        out.append(_event("content_block_start", {"index": self._index, "content_block": self._block()}))
        if self._tool:
            out.append(self._said(ARGUMENTS[0]))
        return b"".join(out)

    def events(self) -> Iterator[bytes]:
        for index in range(self.tokens):
            yield self._said(self._words[index % len(self._words)])

    def closing(self) -> bytes:
        last = self._said(ARGUMENTS[1]) if self._tool else b""
        stop = _event("content_block_stop", {"index": self._index})
        delta = {"delta": {"stop_reason": self._reason, "stop_sequence": None}, "usage": {"output_tokens": self.tokens}}
        return last + stop + _event("message_delta", delta) + _event("message_stop", {})

    def broken(self) -> bytes:
        return b"event: error\ndata: " + error_body(TOLD_TO_FAIL, status=500) + b"\n\n"

    def _message(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._ask.model,
            "content": content,
            "stop_sequence": None,
        }

    def _block(self) -> dict[str, Any]:
        if self._tool:
            return {"type": "tool_use", "id": "toolu_dev", "name": self._tool, "input": {}}
        return {"type": "text", "text": ""}

    def _said(self, text: str) -> bytes:
        told = {"type": "text_delta", "text": text}
        return _delta(self._index, {"type": "input_json_delta", "partial_json": text} if self._tool else told)

    def _usage(self, tokens: int) -> dict[str, int]:
        """A quarter of the prompt was read from the cache, an eighth written into it; the rest stands beside them."""
        prompt = tokens_of(bytes(self._ask.messages) + bytes(self._ask.system))
        read, written = prompt // 4, prompt // 8
        return {
            "input_tokens": prompt - read - written,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "output_tokens": tokens,
        }


def problem(ask: Ask, headers: list[tuple[bytes, bytes]]) -> str:
    """What is wrong with a request; empty when nothing is."""
    if not any(name == VERSION for name, _ in headers):
        return "anthropic-version: header is required"
    if ask.max_tokens is None:
        return "max_tokens: Field required"
    try:
        asked = msgspec.json.decode(ask.messages, type=list[_Message])
    except msgspec.ValidationError as error:
        return f"messages: {error}"
    return "" if {message.role for message in asked} <= {"user", "assistant"} else "messages: unexpected role"


def error_body(message: str, *, status: int) -> bytes:
    """Anthropic's envelope."""
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return msgspec.json.encode({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_dev"})


def _delta(index: int, delta: dict[str, Any]) -> bytes:
    return _event("content_block_delta", {"index": index, "delta": delta})


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: ".encode() + msgspec.json.encode({"type": name, **fields}) + b"\n\n"
