"""Chat completions, whole or as chunks, written as answers of Anthropic's messages."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import ProviderError, UpstreamTruncated
from modelwright.core.wire import anthropic
from modelwright.core.wire.between.chat import Answer, Choice, Counts, Facts, Numbers, Said, ToolPart
from modelwright.core.wire.between.fields import read_arguments

_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_PING = anthropic.event_bytes("ping", b'{"type":"ping"}')


def encode(answer: Answer, facts: Facts) -> bytes:
    """The JSON of a whole answer; raises ProviderError when a tool call cannot be told."""
    choice = answer.choices[0] if answer.choices else Choice()
    said = choice.message or Said()
    content = [*_thoughts(said), *_words(said), *(_tool(call, facts, index) for index, call in _calls(said))]
    message = _head(answer, facts)
    message |= {
        "content": content,
        "stop_reason": _reason(choice.finish_reason, tools=bool(said.tool_calls), refused=bool(said.refusal)),
        "usage": _usage(answer.usage or Counts()),
    }
    return msgspec.json.encode(message)


class EventWriter:
    """Writes the events of one stream: one block after the other, as this wire wants them."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._out: list[bytes] = []
        self._begun = False
        self._index = -1
        """Of the block in hand; -1 before the first."""
        self._open = ""
        """Its type; empty while none is open."""
        self._numbers = Numbers()
        self._tools: dict[int, int] = {}
        """Index of the block, by the tool call's number."""
        self._finish: str | None = None
        self._refused = False
        self._usage = Counts()

    def write(self, chunk: Answer) -> bytes:
        """The events that one chunk is."""
        if not self._begun:
            self._begin(chunk)
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices[:1]:
            self._say(choice.delta or Said())
            self._finish = choice.finish_reason or self._finish
        return self._taken()

    def end(self) -> bytes:
        """The events after the last chunk; raises UpstreamTruncated when none has said why the answer ended."""
        self._close()
        if self._finish is None:
            raise UpstreamTruncated("the stream ended without saying why")
        reason = _reason(self._finish, tools=bool(self._tools), refused=self._refused)
        delta = {"stop_reason": reason, "stop_sequence": None}
        self._event("message_delta", {"delta": delta, "usage": _usage(self._usage)})
        self._event("message_stop", {})
        return self._taken()

    def _begin(self, chunk: Answer) -> None:
        self._begun = True
        message = _head(chunk, self._facts)
        message |= {"content": [], "stop_reason": None, "usage": _usage(chunk.usage or Counts())}
        self._event("message_start", {"message": message})
        self._out.append(_PING)

    def _say(self, said: Said) -> None:
        if said.thought:
            self._add("thinking", {"type": "thinking_delta", "thinking": said.thought})
        if said.content:
            self._add("text", {"type": "text_delta", "text": said.content})
        if said.refusal:
            self._refused = True
            self._add("text", {"type": "text_delta", "text": said.refusal})
        for number, call in self._numbers.of(said):
            self._call(number, call)

    def _add(self, kind: str, delta: dict[str, Any]) -> None:
        """More of the block in hand, or of a new one."""
        if self._open != kind:
            empty = {"thinking": {"thinking": "", "signature": ""}, "text": {"text": ""}}[kind]
            self._start(kind, empty)
        self._event("content_block_delta", {"index": self._index, "delta": delta})

    def _call(self, number: int, call: ToolPart) -> None:
        if number not in self._tools:
            self._start("tool_use", _named(call, self._facts, number) | {"input": {}})
            self._tools[number] = self._index
        arguments = call.function.arguments if call.function is not None else None
        if arguments:
            delta = {"type": "input_json_delta", "partial_json": arguments}
            self._event("content_block_delta", {"index": self._tools[number], "delta": delta})

    def _start(self, kind: str, fields: dict[str, Any]) -> None:
        self._close()
        self._index += 1
        self._open = kind
        self._event("content_block_start", {"index": self._index, "content_block": {"type": kind, **fields}})

    def _close(self) -> None:
        if self._open:
            self._open = ""
            self._event("content_block_stop", {"index": self._index})

    def _event(self, name: str, fields: dict[str, Any]) -> None:
        self._out.append(anthropic.event_bytes(name, msgspec.json.encode({"type": name, **fields})))

    def _taken(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out


def _head(answer: Answer, facts: Facts) -> dict[str, Any]:
    own = answer.id or facts.call
    return {
        "id": own if own.startswith("msg_") else f"msg_{own}",
        "type": "message",
        "role": "assistant",
        "model": answer.model or "",
        "stop_sequence": None,
    }


def _thoughts(said: Said) -> list[dict[str, Any]]:
    """What was thought, with the signature where there is one."""
    if said.thinking_blocks:
        return said.thinking_blocks
    return [{"type": "thinking", "thinking": said.thought, "signature": ""}] if said.thought else []


def _words(said: Said) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text} for text in (said.content, said.refusal) if text]


def _calls(said: Said) -> list[tuple[int, ToolPart]]:
    """Tool calls by their number; a vendor that gives none means their order."""
    return [(place if call.index is None else call.index, call) for place, call in enumerate(said.tool_calls or ())]


def _tool(call: ToolPart, facts: Facts, number: int) -> dict[str, Any]:
    arguments = call.function.arguments if call.function is not None else None
    try:
        given = read_arguments(arguments or "", "arguments")
    except CallError:
        raise ProviderError("the arguments of a tool call are not the JSON of an object") from None
    return {"type": "tool_use", **_named(call, facts, number), "input": given}


def _named(call: ToolPart, facts: Facts, number: int) -> dict[str, Any]:
    name = call.function.name if call.function is not None else None
    return {"id": call.id or f"toolu_{facts.call}_{number}", "name": name or ""}


def _reason(finish: str | None, *, tools: bool, refused: bool) -> str | None:
    """Why it ended; some vendors say `stop` after a tool call."""
    if finish is None:
        return None
    if refused:
        return "refusal"
    return "tool_use" if tools and finish == "stop" else _REASONS.get(finish, "end_turn")


def _usage(counts: Counts) -> dict[str, Any]:
    """Anthropic counts cached and written tokens beside the others."""
    prompt = counts.prompt_tokens or 0
    usage: dict[str, Any] = {
        "input_tokens": max(0, prompt - counts.cached - counts.written),
        "cache_creation_input_tokens": counts.written,
        "cache_read_input_tokens": counts.cached,
        "output_tokens": counts.completion_tokens or 0,
    }
    return {**usage, "output_tokens_details": {"thinking_tokens": counts.reasoned}} if counts.reasoned else usage
