"""The form in the middle: chat completions as values, into which other wires are read and from which they are written.

Requests are translated as JSON objects; answers and the chunks of streams pass through the values here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.contracts.ledger import Usage
from modelwright.core.errors.providers import ProviderError
from modelwright.core.wire.unreadable import UNREADABLE


class Facts(msgspec.Struct, frozen=True):
    """What an answer must say that its upstream may not have said."""

    call: str
    """Our id of the call, from which ids are made where the upstream gives none."""
    created: int
    """Unix seconds."""
    usage_chunk: bool = True
    """Whether the client of a chat stream wants the chunk that counts tokens."""


class FunctionPart(msgspec.Struct, omit_defaults=True):
    """A function's name and its arguments (JSON as text), or a piece of them."""

    name: str | None = None
    arguments: str | None = None


class ToolPart(msgspec.Struct, omit_defaults=True):
    """A tool call, or a piece of one; `index` counts the calls of an answer."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionPart | None = None


class Said(msgspec.Struct, omit_defaults=True):
    """A message of the assistant, or what a chunk adds to it."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    """What the model thought; the name that DeepSeek gave it and most others took."""
    reasoning: str | None = None
    """The same under the name that OpenRouter, Groq and newer vLLM use."""
    thinking_blocks: list[dict[str, Any]] | None = None
    """Anthropic's thinking as it came, signature included: sent back in a later request it is understood again."""
    tool_calls: list[ToolPart] | None = None

    @property
    def thought(self) -> str:
        """The reasoning, whatever its name."""
        return self.reasoning_content or self.reasoning or ""


class PromptDetails(msgspec.Struct, omit_defaults=True):
    """Of the prompt's tokens."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct, omit_defaults=True):
    """Of the answer's tokens."""

    reasoning_tokens: int | None = None


class Counts(msgspec.Struct, omit_defaults=True):
    """Token counts on the chat wire; the prompt's include cached and written ones."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None

    @property
    def cached(self) -> int:
        """Prompt tokens that were read from the vendor's cache."""
        details = self.prompt_tokens_details
        return (details.cached_tokens if details is not None else 0) or 0

    @property
    def written(self) -> int:
        """Prompt tokens that were written into the vendor's cache."""
        details = self.prompt_tokens_details
        return (details.cache_write_tokens if details is not None else 0) or 0

    @property
    def reasoned(self) -> int:
        """Tokens of the answer that the client does not see."""
        details = self.completion_tokens_details
        return (details.reasoning_tokens if details is not None else 0) or 0


class Choice(msgspec.Struct):
    """One alternative of an answer (`message`) or of a chunk (`delta`)."""

    index: int = 0
    message: Said | None = None
    delta: Said | None = None
    logprobs: dict[str, Any] | None = None
    finish_reason: str | None = None


class Numbers:
    """Numbers the tool calls of a stream.

    A vendor that gives no `index` means their place in the chunk. Some give each call the same: another id beside a
    name is another call; an id alone is not, since others make up a new one for every piece.
    """

    def __init__(self) -> None:
        self._ids: dict[int, str | None] = {}
        """By number."""
        self._now: dict[int, int] = {}
        """Which number an `index` of the vendor's stands for by now."""

    def of(self, said: Said) -> list[tuple[int, ToolPart]]:
        """What a chunk adds, each part with the number of its call."""
        return [(self._number(place, call), call) for place, call in enumerate(said.tool_calls or ())]

    def _number(self, place: int, call: ToolPart) -> int:
        index = place if call.index is None else call.index
        number = self._now.get(index)
        if number is None or (_is_named(call) and call.id != self._ids[number]):
            number = self._now[index] = len(self._ids)
            self._ids[number] = call.id
        return number


def _is_named(call: ToolPart) -> bool:
    return bool(call.id and call.function is not None and call.function.name)


class Answer(msgspec.Struct):
    """A whole answer, or one chunk of a stream."""

    choices: list[Choice] = []
    id: str | None = None
    created: int | float | None = None
    model: str | None = None
    usage: Counts | None = None


_answer = msgspec.json.Decoder(Answer)


def read(body: bytes) -> Answer:
    """A chat answer or chunk; raises ProviderError when it is none."""
    try:
        return _answer.decode(body)
    except UNREADABLE as error:
        raise ProviderError(f"the answer is no chat completion: {error}") from None


def counts_of(usage: Usage) -> Counts:
    """The ledger's counts, which were found wherever a vendor puts them, in their usual place."""
    prompt, completion = usage.input_tokens or 0, usage.output_tokens or 0
    reasoned = usage.reasoning_tokens
    return Counts(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=PromptDetails(
            cached_tokens=usage.cached_tokens, cache_write_tokens=usage.cache_write_tokens
        ),
        completion_tokens_details=None if reasoned is None else CompletionDetails(reasoning_tokens=reasoned),
    )


def encode_answer(answer: Answer, facts: Facts) -> bytes:
    """The JSON of a whole answer."""
    choices = [
        {
            "index": choice.index,
            "message": _message(choice.message or Said()),
            "logprobs": choice.logprobs,
            "finish_reason": choice.finish_reason,
        }
        for choice in answer.choices
    ]
    usage = {} if answer.usage is None else {"usage": answer.usage}
    return msgspec.json.encode({**_head(answer, facts, "chat.completion"), "choices": choices, **usage})


def encode_chunk(chunk: Answer, facts: Facts) -> bytes:
    """The JSON of one chunk."""
    choices = [
        {
            "index": choice.index,
            "delta": choice.delta or Said(),
            "logprobs": choice.logprobs,
            "finish_reason": choice.finish_reason,
        }
        for choice in chunk.choices
    ]
    usage = {} if chunk.usage is None else {"usage": chunk.usage}
    return msgspec.json.encode({**_head(chunk, facts, "chat.completion.chunk"), "choices": choices, **usage})


def _head(answer: Answer, facts: Facts, kind: str) -> dict[str, Any]:
    return {
        "id": answer.id or f"chatcmpl-{facts.call}",
        "object": kind,
        "created": answer.created or facts.created,
        "model": answer.model or "",
    }


def _message(said: Said) -> dict[str, Any]:
    fields = {"role": "assistant", "content": said.content, "refusal": said.refusal}
    rest = msgspec.to_builtins(said)
    return {**fields, **{name: value for name, value in rest.items() if name not in {"role", "content", "refusal"}}}
