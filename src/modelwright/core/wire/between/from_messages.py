"""Answers of Anthropic's messages, whole or as events, read into chat completions."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.errors.providers import ProviderError
from modelwright.core.wire import anthropic
from modelwright.core.wire.between.chat import (
    Answer,
    Choice,
    CompletionDetails,
    Counts,
    FunctionPart,
    PromptDetails,
    Said,
    ToolPart,
)
from modelwright.core.wire.unreadable import UNREADABLE

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    input: dict[str, Any] = {}


class _Message(msgspec.Struct):
    content: list[_Block] = []
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: anthropic.Counts = anthropic.Counts()


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: _Block | None = None
    delta: _Delta | None = None
    usage: anthropic.Counts | None = None


_message = msgspec.json.Decoder(_Message)
_event = msgspec.json.Decoder(_Event)


def read(body: bytes) -> Answer:
    """A whole answer; raises ProviderError when it is none."""
    try:
        message = _message.decode(body)
    except UNREADABLE as error:
        raise ProviderError(f"the answer is no message: {error}") from None
    blocks = message.content
    text = "".join(block.text for block in blocks if block.type == "text")
    thought = "".join(block.thinking for block in blocks if block.type == "thinking")
    calls = [
        ToolPart(id=block.id, type="function", function=FunctionPart(name=block.name, arguments=_arguments(block)))
        for block in blocks
        if block.type == "tool_use"
    ]
    said = Said(
        role="assistant",
        content=text if text or not calls else None,
        reasoning_content=thought or None,
        thinking_blocks=[_thinking(block) for block in blocks if block.type in _THINKS] or None,
        tool_calls=calls or None,
    )
    return Answer(
        choices=[Choice(message=said, finish_reason=_finish(message.stop_reason))],
        id=message.id,
        model=message.model,
        usage=counts(message.usage),
    )


def counts(usage: anthropic.Counts) -> Counts:
    """Anthropic counts cached and written tokens beside the others, chat counts them among them."""
    read_from, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    prompt = (usage.input_tokens or 0) + read_from + written
    completion = usage.output_tokens or 0
    details = usage.output_tokens_details
    return Counts(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details=PromptDetails(cached_tokens=read_from, cache_write_tokens=written),
        completion_tokens_details=CompletionDetails(reasoning_tokens=details.thinking_tokens) if details else None,
    )


class EventReader:
    """Reads the events of one stream, in order."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._model: str | None = None
        self._blocks: dict[int, _Block] = {}
        self._thoughts: dict[int, list[str]] = {}
        self._tools: dict[int, int] = {}
        """Number of the tool call, by its block's index."""
        self._argued: set[int] = set()
        """Blocks whose arguments have begun to come."""

    def read(self, data: bytes) -> list[Answer]:
        """The chunks that one event is; raises ProviderError when it cannot be read."""
        try:
            event = _event.decode(data)
        except UNREADABLE as error:
            raise ProviderError(f"an event of the stream cannot be read: {error}") from None
        match event.type:
            case "message_start":
                message = event.message or _Message()
                self._id, self._model = message.id, message.model
                return [self._chunk(Said(role="assistant", content=""))]
            case "content_block_start" if event.content_block is not None:
                return self._started(event.index, event.content_block)
            case "content_block_delta" if event.delta is not None:
                return self._added(event.index, event.delta)
            case "content_block_stop":
                return self._stopped(event.index)
            case "message_delta" if event.delta is not None and event.delta.stop_reason is not None:
                return [self._chunk(Said(), finish=_finish(event.delta.stop_reason))]
            case _:
                return []

    def usage(self, usage: anthropic.Counts) -> Answer:
        """The chunk that counts all tokens."""
        return Answer(choices=[], id=self._id, model=self._model, usage=counts(usage))

    def _started(self, index: int, block: _Block) -> list[Answer]:
        self._blocks[index] = block
        if block.type == "tool_use":
            number = self._tools[index] = len(self._tools)
            function = FunctionPart(name=block.name, arguments="")
            return [self._tool(ToolPart(index=number, id=block.id, type="function", function=function))]
        if block.type == "text" and block.text:
            return [self._chunk(Said(content=block.text))]
        return []

    def _added(self, index: int, delta: _Delta) -> list[Answer]:
        match delta.type:
            case "text_delta":
                return [self._chunk(Said(content=delta.text))] if delta.text else []
            case "thinking_delta":
                self._thoughts.setdefault(index, []).append(delta.thinking)
                return [self._chunk(Said(reasoning_content=delta.thinking))] if delta.thinking else []
            case "signature_delta":
                if index in self._blocks:
                    self._blocks[index].signature += delta.signature
                return []
            case "input_json_delta" if index in self._tools and delta.partial_json:
                self._argued.add(index)
                return [self._arguments(index, delta.partial_json)]
            case _:
                return []

    def _stopped(self, index: int) -> list[Answer]:
        """Arguments that never came are those of the start; thoughts are told again whole, with their signature."""
        block = self._blocks.pop(index, None)
        if block is None:
            return []
        if block.type in _THINKS:
            block.thinking += "".join(self._thoughts.pop(index, ()))
            return [self._chunk(Said(thinking_blocks=[_thinking(block)]))]
        if index in self._tools and index not in self._argued:
            return [self._arguments(index, _arguments(block))]
        return []

    def _arguments(self, index: int, text: str) -> Answer:
        return self._tool(ToolPart(index=self._tools[index], function=FunctionPart(arguments=text)))

    def _tool(self, part: ToolPart) -> Answer:
        return self._chunk(Said(tool_calls=[part]))

    def _chunk(self, said: Said, *, finish: str | None = None) -> Answer:
        return Answer(choices=[Choice(delta=said, finish_reason=finish)], id=self._id, model=self._model)


_THINKS = frozenset({"thinking", "redacted_thinking"})


def _thinking(block: _Block) -> dict[str, Any]:
    if block.type == "redacted_thinking":
        return {"type": block.type, "data": block.data}
    return {"type": block.type, "thinking": block.thinking, "signature": block.signature}


def _arguments(block: _Block) -> str:
    return msgspec.json.encode(block.input).decode()


def _finish(reason: str | None) -> str | None:
    return None if reason is None else _FINISH.get(reason, "stop")
