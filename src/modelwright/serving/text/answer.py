"""Writes answers of text models in the OpenAI wire's form: whole ones, stream chunks, usage; values to bytes only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec

from modelwright.core.ports.engines import TextCodec, TokenLogprob
from modelwright.core.wire.sse import event_bytes


class AnswerForm(msgspec.Struct, frozen=True, kw_only=True):
    """What all pieces of one answer have in common."""

    id: str
    created: int
    """Unix seconds."""
    model: str
    chat: bool

    def chunk(
        self, index: int, text: str, *, first: bool = False, finish: str | None = None, logprobs: Any = None
    ) -> bytes:
        """One stream event of one choice; the first one of a chat names the role."""
        choice: dict[str, Any] = {"index": index, "logprobs": logprobs, "finish_reason": finish}
        if self.chat:
            delta: dict[str, str] = {"role": "assistant"} if first else {}
            if text or first:
                delta["content"] = text
            choice["delta"] = delta
        else:
            choice["text"] = text
        return self._event([choice])

    def usage_chunk(self, usage: dict[str, Any]) -> bytes:
        """The last event before the end, when usage was asked for."""
        return self._event([], usage=usage)

    def choice(self, index: int, text: str, *, finish: str, logprobs: Any = None) -> dict[str, Any]:
        """One choice of a request that does not stream."""
        choice: dict[str, Any] = {"index": index, "finish_reason": finish, "logprobs": logprobs}
        if self.chat:
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        return choice

    def whole(self, choices: list[dict[str, Any]], *, usage: dict[str, Any]) -> bytes:
        """The answer of a request that does not stream."""
        head = self._head("chat.completion" if self.chat else "text_completion")
        return msgspec.json.encode(head | {"choices": choices, "usage": usage})

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        head = self._head("chat.completion.chunk" if self.chat else "text_completion")
        return event_bytes(msgspec.json.encode(head | {"choices": choices} | more))

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


class LogprobForm:
    """Log-probabilities of one answer in its wire's form, piece after piece."""

    def __init__(self, codec: TextCodec, *, chat: bool, alternatives: int | None) -> None:
        """`alternatives` per token; None: nobody asked for log-probabilities."""
        self._codec = codec
        self._chat = chat
        self._alternatives = alternatives
        self._offset = 0

    def of(self, tokens: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        """The next tokens of the answer; in the chat form `bytes` lets a client join what ends inside a character."""
        if self._alternatives is None:
            return None
        if self._chat:
            entries = [_chat_token(self._codec, token, self._alternatives) for token in tokens]
            return {"content": entries, "refusal": None}
        texts = [self._codec.text(token.token).decode("utf-8", "replace") for token in tokens]
        *offsets, self._offset = accumulate(map(len, texts), initial=self._offset)
        values = [token.logprob for token in tokens]
        return {"tokens": texts, "token_logprobs": values, "top_logprobs": None, "text_offset": offsets}


def usage_of(prompt_tokens: int, completion_tokens: int, *, seconds: float) -> dict[str, Any]:
    """The wire's usage object, and the answer's share of the engine's time."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "machine_us": math.ceil(seconds * 1e6),
    }


def _chat_token(codec: TextCodec, token: TokenLogprob, alternatives: int) -> dict[str, Any]:
    data = codec.text(token.token)
    entry: dict[str, Any] = {
        "token": data.decode("utf-8", "replace"),
        "logprob": token.logprob,
        "bytes": list(data),
    }
    return entry | {"top_logprobs": [dict(entry)] if alternatives else []}
