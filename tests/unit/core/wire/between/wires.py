"""Strategies for what stands on the wires of language models, and readers that join what a stream has told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import strategies as st

from modelwright.core.wire.between.chat import Answer, Choice, Facts, FunctionPart, Said, ToolPart
from modelwright.core.wire.sse import EventSplitter, event_data

FACTS = Facts("call-1", 1_700_000_000)

WORDS = st.text(min_size=1, max_size=12)
NAMES = st.text("abcdefgh_", min_size=1, max_size=8)
COUNTS = st.integers(0, 10_000)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)
IMAGES = st.sampled_from(
    ["data:image/png;base64,aGk=", "data:image/webp;base64,QUJD", "https://pictures.example/a.png"]
)


def compact(value: Any) -> str:
    return msgspec.json.encode(value).decode()


@st.composite
def tool_calls(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = draw(st.lists(st.tuples(NAMES, OBJECTS), min_size=1, max_size=3))
    return [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": compact(arguments)}}
        for index, (name, arguments) in enumerate(found)
    ]


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Messages of chat in the form that translation gives back: what has two forms stands in the shorter one."""
    messages: list[dict[str, Any]] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(WORDS)})
    for _ in range(draw(st.integers(1, 3))):
        messages.append({"role": "user", "content": draw(WORDS | mixed_content())})
        if draw(st.booleans()):
            calls = draw(tool_calls())
            said = draw(st.none() | WORDS)
            messages.append({"role": "assistant", "content": said, "tool_calls": calls})
            messages += [{"role": "tool", "tool_call_id": call["id"], "content": draw(WORDS)} for call in calls]
        else:
            messages.append({"role": "assistant", "content": draw(WORDS)})
    return messages


@st.composite
def mixed_content(draw: st.DrawFn) -> list[dict[str, Any]]:
    image = {"type": "image_url", "image_url": {"url": draw(IMAGES)}}
    return [{"type": "text", "text": draw(WORDS)}, image]


@st.composite
def chat_requests(draw: st.DrawFn) -> dict[str, Any]:
    request: dict[str, Any] = {"model": draw(NAMES), "messages": draw(conversations()), "max_tokens": draw(COUNTS) + 1}
    optional = {
        "stream": st.booleans(),
        "temperature": st.sampled_from([0.0, 0.25, 1.0]),
        "top_p": st.sampled_from([0.5, 1.0]),
        "stop": st.lists(WORDS, min_size=1, max_size=3),
        "user": NAMES,
        "reasoning_effort": st.sampled_from(["low", "medium", "high"]),
        "x_unknown": VALUES.filter(lambda value: value is not None),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            request[name] = draw(values)
    if draw(st.booleans()):
        schema = {"name": "answer", "schema": draw(OBJECTS), "strict": True}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    if draw(st.booleans()):
        function = {"name": draw(NAMES), "description": draw(WORDS), "parameters": {"type": "object", **draw(OBJECTS)}}
        request["tools"] = [{"type": "function", "function": function}]
        chosen = {"type": "function", "function": {"name": function["name"]}}
        request["tool_choice"] = draw(st.sampled_from(["auto", "none", "required", chosen]))
        if request["tool_choice"] != "none" and draw(st.booleans()):
            request["parallel_tool_calls"] = False
    return request


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """Whole answers of chat."""
    calls = draw(st.none() | tool_calls())
    content = draw(WORDS) if calls is None else draw(st.none() | WORDS)
    message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None}
    if draw(st.booleans()):
        message["reasoning_content"] = draw(WORDS)
    if calls is not None:
        message["tool_calls"] = calls
    finish = "tool_calls" if calls is not None else draw(st.sampled_from(["stop", "length"]))
    cached, written, fresh, said = draw(COUNTS), draw(COUNTS), draw(COUNTS), draw(COUNTS)
    usage = {
        "prompt_tokens": cached + written + fresh,
        "completion_tokens": said,
        "total_tokens": cached + written + fresh + said,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "created": 1, "model": "m", "choices": [choice], "usage": usage}


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """A text, cut anywhere."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def chat_streams(draw: st.DrawFn) -> tuple[dict[str, Any], bytes]:
    """A whole answer, and a stream that tells it."""
    answer = draw(answers())
    choice, usage = answer["choices"][0], answer["usage"]
    message = choice["message"]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in draw(pieces(message.get("reasoning_content") or ""))]
    deltas += [{"content": piece} for piece in draw(pieces(message["content"] or ""))]
    for index, call in enumerate(message.get("tool_calls") or ()):
        named = {"index": index, "id": call["id"], "type": "function"}
        deltas.append({"tool_calls": [{**named, "function": {"name": call["function"]["name"], "arguments": ""}}]})
        for piece in draw(pieces(call["function"]["arguments"])):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    head = {"id": answer["id"], "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    chunks.append({**head, "choices": [], "usage": usage})
    lines = [b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks]
    return answer, b"".join([*lines, b"data: [DONE]\n\n"])


def cut(stream: bytes, at: Iterable[int]) -> list[bytes]:
    """The events of a stream that arrives in pieces."""
    splitter, events = EventSplitter(), list[bytes]()
    places = sorted({place % (len(stream) + 1) for place in at})
    for start, end in zip([0, *places], [*places, len(stream)], strict=True):
        events += splitter.push(stream[start:end])
    assert not splitter.rest()
    return events


def named_events(stream: bytes) -> list[tuple[str, dict[str, Any]]]:
    """(name, data) of every event; the name in the data must be the same."""
    found: list[tuple[str, dict[str, Any]]] = []
    for event in cut(stream, ()):
        name = event.split(b"\n", 1)[0].removeprefix(b"event: ").decode()
        data = msgspec.json.decode(event_data(event))
        assert data["type"] == name
        found.append((name, data))
    return found


def joined(chunks: Iterable[Answer]) -> Answer:
    """The whole answer that chunks tell."""
    said, calls, whole = Said(role="assistant"), dict[int, ToolPart](), Answer(choices=[Choice()])
    for chunk in chunks:
        whole.id, whole.model = chunk.id or whole.id, chunk.model or whole.model
        whole.usage = chunk.usage or whole.usage
        for choice in chunk.choices:
            delta = choice.delta or Said()
            said.content = _plus(said.content, delta.content)
            said.reasoning_content = _plus(said.reasoning_content, delta.thought)
            for part in delta.tool_calls or ():
                _add(calls, part)
            whole.choices[0].finish_reason = choice.finish_reason or whole.choices[0].finish_reason
    said.tool_calls = list(calls.values()) or None
    whole.choices[0].message = said
    return whole


def _plus(text: str | None, more: str | None) -> str | None:
    return (text or "") + more if more else text


def _add(calls: dict[int, ToolPart], part: ToolPart) -> None:
    assert part.index is not None
    call = calls.setdefault(part.index, ToolPart(type="function", function=FunctionPart(arguments="")))
    assert call.function is not None
    call.id = call.id or part.id
    if part.function is not None:
        call.function.name = call.function.name or part.function.name
        call.function.arguments = _plus(call.function.arguments, part.function.arguments)
