"""A text engine without a model: it repeats the prompt, one token per step; a demo and a double that obeys the port.

Options: `poison` (a prompt that holds this token is refused), `break_on` (`step` fails when it meets this token),
`exit_on` (the process dies), `delay` (seconds per step), `context` (tokens).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from modelwright.core.errors.calls import EngineFailed
from modelwright.core.ports.engines import Delta, EngineConfig, Sampling, TextSignature, TokenLogprob

VOCABULARY = 257
"""256 bytes and an end token."""
END = 256
SLOTS = 16
"""Requests that its make-believe cache would hold."""


class ToyTextEngine:
    """Echoes; continuous batching with one token per request and step."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[list[int], Sampling, int]] = {}
        self._options: Mapping[str, Any] = {}
        self.cache_usage = 0.0

    def load(self, config: EngineConfig) -> TextSignature:
        self._options = config.options
        context = int(self._options.get("context") or 1024)
        return TextSignature(architecture="toy", context=context, vocabulary=VOCABULARY, eos=(END,))

    def submit(self, request: int, prompt: Sequence[int], sampling: Sampling) -> None:
        if self._options.get("poison") in prompt:
            raise EngineFailed("the prompt holds the poison token", hint="leave it out")
        self._running[request] = (list(prompt), sampling, 0)

    def step(self) -> list[Delta]:
        time.sleep(float(self._options.get("delay", 0)))
        deltas = [self._advance(request) for request in list(self._running)]
        self.cache_usage = min(1.0, len(self._running) / SLOTS)
        for delta in deltas:
            if delta.finish:
                del self._running[delta.request]
        return deltas

    def cancel(self, request: int) -> None:
        self._running.pop(request, None)

    def _advance(self, request: int) -> Delta:
        prompt, sampling, done = self._running[request]
        if done >= len(prompt):
            return Delta(request=request, tokens=(), finish="stop")
        token = prompt[done]
        if token in sampling.stop_tokens and done >= sampling.min_tokens:
            return Delta(request=request, tokens=(), finish="stop")
        if token == self._options.get("exit_on"):
            os._exit(13)
        if token == self._options.get("break_on"):
            raise RuntimeError("the toy engine met the token that breaks it")
        self._running[request] = (prompt, sampling, done + 1)
        logprobs = () if sampling.logprobs is None else (TokenLogprob(token, 0.0),)
        finish = "length" if done + 1 == sampling.max_tokens else None
        return Delta(request=request, tokens=(token,), logprobs=logprobs, finish=finish)


class ByteCodec:
    """Tokens are the bytes of UTF-8 text; a conversation is its last message."""

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        return self.encode(str(messages[-1]["content"]))

    def decoder(self) -> ByteDecoder:
        return ByteDecoder()

    def text(self, token: int) -> bytes:
        return bytes([token]) if token < END else b""


class ByteDecoder:
    """Whole characters only."""

    def __init__(self) -> None:
        self._rest = b""

    def push(self, tokens: Sequence[int]) -> str:
        data = self._rest + bytes(token for token in tokens if token < END)
        for back in range(min(4, len(data) + 1)):
            try:
                text = data[: len(data) - back].decode()
            except UnicodeDecodeError:
                continue
            self._rest = data[len(data) - back :]
            return text
        self._rest = b""
        return data.decode(errors="replace")

    def finish(self) -> str:
        rest, self._rest = self._rest, b""
        return rest.decode(errors="replace")


def byte_codec(path: str) -> ByteCodec:  # noqa: ARG001 - the family's signature
    """The codec that belongs to the toy engine."""
    return ByteCodec()
