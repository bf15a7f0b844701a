"""Chat completions, whole or as chunks, written as answers of OpenAI's responses."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.errors.providers import UpstreamTruncated
from modelwright.core.wire import responses
from modelwright.core.wire.between.chat import Answer, Choice, Counts, Facts, Numbers, Said, ToolPart

_ECHOED: dict[str, Any] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""Fields of the request that an answer repeats, and what they are when the request does not say."""
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_NULL = msgspec.Raw(b"null")
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])


def echo(body: bytes) -> dict[str, Any]:
    """What an answer repeats of its request."""
    given = _fields.decode(body)
    return {name: known if given.get(name, _NULL) == _NULL else given[name] for name, known in _ECHOED.items()}


def encode(answer: Answer, facts: Facts, echoed: dict[str, Any]) -> bytes:
    """The JSON of a whole answer."""
    choice = answer.choices[0] if answer.choices else Choice()
    said = choice.message or Said()
    items: list[Item] = []
    if said.thought:
        items.append(Item(kind="reasoning", id=f"rs_{facts.call}_0", pieces=[said.thought]))
    if said.content or said.refusal or not said.tool_calls:
        refused = bool(said.refusal)
        text = said.refusal or said.content or ""
        item = Item(kind="message", id=f"msg_{facts.call}_{len(items)}", pieces=[text], refused=refused)
        item.logprobs = _logprobs(choice)
        items.append(item)
    for call in said.tool_calls or ():
        items.append(_call_item(call, facts, len(items)))
    status = "incomplete" if choice.finish_reason in _INCOMPLETE else "completed"
    output = [item.content(status) for item in items]
    return msgspec.json.encode(_response(answer, facts, echoed, finish=choice.finish_reason, output=output))


class Item(msgspec.Struct):
    """One item of the output, as far as it has come."""

    kind: str
    """message | reasoning | function_call."""
    id: str
    pieces: list[str] = []
    """Of its words, thoughts or arguments."""
    refused: bool = False
    call_id: str = ""
    name: str = ""
    logprobs: list[dict[str, Any]] = []

    @property
    def text(self) -> str:
        """All that has come."""
        return "".join(self.pieces)

    def content(self, status: str) -> dict[str, Any]:
        """The item as the client sees it."""
        head: dict[str, Any] = {"id": self.id, "type": self.kind, "status": status}
        match self.kind:
            case "function_call":
                return {**head, "call_id": self.call_id, "name": self.name, "arguments": self.text}
            case "reasoning":
                return {**head, "summary": [], "content": [self.part()] if status != "in_progress" else []}
            case _:
                return {**head, "role": "assistant", "content": [self.part()] if status != "in_progress" else []}

    def part(self) -> dict[str, Any]:
        """Its only part."""
        if self.kind == "reasoning":
            return {"type": "reasoning_text", "text": self.text}
        if self.refused:
            return {"type": "refusal", "refusal": self.text}
        return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": self.logprobs}


class EventWriter:
    """Writes the events of one stream: one item after the other, each event with its number."""

    def __init__(self, facts: Facts, echoed: dict[str, Any]) -> None:
        self._facts = facts
        self._echoed = echoed
        self._out: list[bytes] = []
        self.number = 0
        """Of the next event."""
        self._first: Answer | None = None
        self._output: list[dict[str, Any]] = []
        self._item: Item | None = None
        self._numbers = Numbers()
        self._call: int | None = None
        """Number of the tool call in hand."""
        self._finish: str | None = None
        self._usage: Counts | None = None

    def write(self, chunk: Answer) -> bytes:
        """The events that one chunk is."""
        if self._first is None:
            self._first = chunk
            for name in ("response.created", "response.in_progress"):
                self._event(name, {"response": self._response("in_progress")})
        if chunk.usage is not None:
            self._usage = chunk.usage
        for choice in chunk.choices[:1]:
            self._say(choice)
            self._finish = choice.finish_reason or self._finish
        return self._taken()

    def end(self) -> bytes:
        """The events after the last chunk; raises UpstreamTruncated when none has said why the answer ended."""
        if self._finish is None:
            raise UpstreamTruncated("the stream ended without saying why")
        status = "incomplete" if self._finish in _INCOMPLETE else "completed"
        self._close(status)
        self._event(f"response.{status}", {"response": self._response(status)})
        return self._taken()

    def _say(self, choice: Choice) -> None:
        said = choice.delta or Said()
        if said.thought:
            self._add("reasoning", "response.reasoning_text", {"delta": said.thought})
        if said.content:
            self._add("message", "response.output_text", {"delta": said.content, "logprobs": _logprobs(choice)})
        if said.refusal:
            self._add("message", "response.refusal", {"delta": said.refusal})
        for number, call in self._numbers.of(said):
            self._add_call(number, call)

    def _add(self, kind: str, name: str, fields: dict[str, Any]) -> None:
        """More of the item in hand, or of a new one."""
        refused = name == "response.refusal"
        item = self._item
        if item is None or (item.kind, item.refused) != (kind, refused):
            self._close("completed")
            own = f"{'rs' if kind == 'reasoning' else 'msg'}_{self._facts.call}_{len(self._output)}"
            item = self._item = Item(kind=kind, id=own, refused=refused)
            self._event("response.output_item.added", self._added(item))
            self._event("response.content_part.added", {**self._place(item), "part": item.part()})
        item.pieces.append(fields["delta"])
        item.logprobs += fields.get("logprobs", ())
        self._event(f"{name}.delta", {**self._place(item), **fields})

    def _add_call(self, number: int, call: ToolPart) -> None:
        item = self._item
        if item is None or item.kind != "function_call" or self._call != number:
            self._close("completed")
            item = self._item = _call_item(call, self._facts, len(self._output))
            item.pieces = []
            self._call = number
            self._event("response.output_item.added", self._added(item))
        arguments = call.function.arguments if call.function is not None else None
        if arguments:
            item.pieces.append(arguments)
            self._event("response.function_call_arguments.delta", {**self._at(item), "delta": arguments})

    def _close(self, status: str) -> None:
        """The item in hand is over."""
        item = self._item
        if item is None:
            return
        if item.kind == "function_call":
            done = {**self._at(item), "name": item.name, "arguments": item.text}
            self._event("response.function_call_arguments.done", done)
        else:
            self._event(*self._text_done(item))
            self._event("response.content_part.done", {**self._place(item), "part": item.part()})
        content = item.content(status)
        self._event("response.output_item.done", {"output_index": len(self._output), "item": content})
        self._output.append(content)
        self._item = None

    def _text_done(self, item: Item) -> tuple[str, dict[str, Any]]:
        place = self._place(item)
        if item.kind == "reasoning":
            return "response.reasoning_text.done", {**place, "text": item.text}
        if item.refused:
            return "response.refusal.done", {**place, "refusal": item.text}
        return "response.output_text.done", {**place, "text": item.text, "logprobs": item.logprobs}

    def _added(self, item: Item) -> dict[str, Any]:
        return {"output_index": len(self._output), "item": item.content("in_progress")}

    def _at(self, item: Item) -> dict[str, Any]:
        return {"item_id": item.id, "output_index": len(self._output)}

    def _place(self, item: Item) -> dict[str, Any]:
        return {**self._at(item), "content_index": 0}

    def _response(self, status: str) -> dict[str, Any]:
        first = msgspec.structs.replace(self._first or Answer(), usage=self._usage)
        return _response(first, self._facts, self._echoed, finish=self._finish, output=self._output) | {
            "status": status
        }

    def _event(self, name: str, fields: dict[str, Any]) -> None:
        self._out.append(responses.event_bytes(name, fields, self.number))
        self.number += 1

    def _taken(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out


def _call_item(call: ToolPart, facts: Facts, place: int) -> Item:
    function = call.function
    return Item(
        kind="function_call",
        id=f"fc_{facts.call}_{place}",
        call_id=call.id or f"call_{facts.call}_{place}",
        name=(function.name or "") if function is not None else "",
        pieces=[function.arguments or ""] if function is not None else [],
    )


def _response(
    answer: Answer, facts: Facts, echoed: dict[str, Any], *, finish: str | None, output: list[dict[str, Any]]
) -> dict[str, Any]:
    reason = _INCOMPLETE.get(finish or "")
    return {
        **echoed,
        "id": f"resp_{facts.call}",
        "object": "response",
        "created_at": facts.created,
        "status": "incomplete" if reason else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": answer.model or "",
        "output": output,
        "previous_response_id": None,
        "store": False,
        "usage": None if answer.usage is None else _usage(answer.usage),
    }


def _usage(counts: Counts) -> dict[str, Any]:
    prompt, completion = counts.prompt_tokens or 0, counts.completion_tokens or 0
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": counts.cached, "cache_write_tokens": counts.written},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": counts.reasoned},
        "total_tokens": prompt + completion,
    }


def _logprobs(choice: Choice) -> list[dict[str, Any]]:
    content = (choice.logprobs or {}).get("content")
    return content if isinstance(content, list) else []  # pyright: ignore[reportUnknownVariableType]
