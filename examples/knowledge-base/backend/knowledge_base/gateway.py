"""Speaks with Modelwright's gateway, by OpenAI's SDK: vectors, the language model, and what users thought of it."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import openai

CALL = "x-modelwright-call"
"""The header in which the gateway says by which id it keeps a call; feedback names it."""
_OFF = "provider_off"
"""The gateway's code for an endpoint whose optional provider is not configured."""
_BATCH = 32
_REMEMBERED = 10.0


@dataclass(frozen=True, kw_only=True)
class Vectors:
    """One for each text."""

    vectors: list[list[float]]
    call: str


class ModelOff(openai.OpenAIError):
    """No language model is configured."""


class Gateway:
    """One per process."""

    def __init__(self, *, url: str, key: str, embeddings: str, chat: str) -> None:
        timeout = openai.Timeout(60, connect=5)
        self._client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key or "none", timeout=timeout)
        self._embeddings = embeddings
        self._chat = chat
        self._listed: tuple[float, bool] = (0.0, False)
        self._off = False
        self._off_at = 0.0

    async def close(self) -> None:
        """Leave its connections."""
        await self._client.close()

    async def vectors(self, texts: Sequence[str]) -> Vectors:
        """Raises openai.OpenAIError."""
        made: list[list[float]] = []
        call = ""
        for start in range(0, len(texts), _BATCH):
            answer = await self._client.embeddings.with_raw_response.create(
                model=self._embeddings, input=list(texts[start : start + _BATCH]), encoding_format="float"
            )
            made += [item.embedding for item in answer.parse().data]
            call = answer.headers.get(CALL, "")
        return Vectors(vectors=made, call=call)

    async def has_model(self) -> bool:
        """Whether a language model is configured, as far as the last question has shown. Raises openai.OpenAIError."""
        return await self.lists_model() and not self._off

    async def lists_model(self) -> bool:
        """Whether there is an endpoint for it, as of some seconds ago. Raises openai.OpenAIError."""
        at, found = self._listed
        if not at or time.monotonic() - at > _REMEMBERED:
            found = self._chat in {model.id async for model in self._client.models.list()}
            self._listed = (time.monotonic(), found)
        return found

    async def said(self, messages: Sequence[dict[str, str]]) -> tuple[str, AsyncIterator[str]]:
        """The call's id, and the answer as it is made. Raises ModelOff and openai.OpenAIError, also while it is read."""
        if self._off and time.monotonic() - self._off_at < _REMEMBERED:
            raise ModelOff("no language model is configured, as of some seconds ago")
        content: Any = list(messages)
        try:
            answer = await self._client.chat.completions.with_raw_response.create(
                model=self._chat, messages=content, stream=True
            )
        except openai.APIStatusError as error:
            self._off, self._off_at = error.code == _OFF, time.monotonic()
            if self._off:
                raise ModelOff(error.message) from error
            raise
        self._off = False
        stream = answer.parse()

        async def pieces() -> AsyncIterator[str]:
            ended = False
            async for chunk in stream:
                for choice in chunk.choices:
                    ended = ended or choice.finish_reason is not None
                    if choice.delta.content:
                        yield choice.delta.content
            if not ended:
                raise openai.OpenAIError("the answer was cut off")

        return answer.headers.get(CALL, ""), pieces()

    async def judge(self, call: str, score: int) -> None:
        """What a user thought of a call. Raises openai.OpenAIError."""
        await self._client.post("/feedback", cast_to=object, body={"call": call, "score": score})
