"""What the dev provider says on Anthropic's wire and on OpenAI's responses, read by those vendors' own types."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from modelwright.app.dev_provider.answers import Ask, Telling, text_of
from modelwright.app.dev_provider.messages import MessagesAnswer, problem
from modelwright.app.dev_provider.responses import ResponsesAnswer
from modelwright.core.wire.sse import EventSplitter, event_data

FORCED = {"tool_choice": {"type": "tool", "name": "note"}}
FORCED_FUNCTION = {"tool_choice": {"type": "function", "name": "note"}}
VERSIONED = [(b"anthropic-version", b"2023-06-01")]


def ask(**fields: Any) -> Ask:
    known = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "input": "Hi", "max_tokens": 9}
    return msgspec.json.decode(msgspec.json.encode({**known, **fields}), type=Ask)


def events(answer: Telling) -> list[dict[str, Any]]:
    stream = answer.opening() + b"".join(answer.events()) + answer.closing()
    return [json.loads(event_data(event)) for event in EventSplitter().push(stream)]


@pytest.mark.parametrize("fields", [{}, FORCED, {"thinking": {"type": "enabled"}}, {"max_tokens": 2}])
def test_messages_are_anthropics(fields: dict[str, Any]) -> None:
    def answer() -> MessagesAnswer:
        return MessagesAnswer(ask(**fields), number=1, tokens=5)

    message = Message.model_validate_json(answer().whole())
    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    seen = [adapter.validate_python(event) for event in events(answer()) if event["type"] != "ping"]
    said = "".join(
        event.delta.text if event.delta.type == "text_delta" else event.delta.partial_json
        for event in seen
        if event.type == "content_block_delta" and event.delta.type in {"text_delta", "input_json_delta"}
    )
    last: Any = message.content[-1]
    assert said == (msgspec.json.encode(last.input).decode() if fields == FORCED else last.text)
    ends = [event for event in seen if event.type == "message_delta"]
    assert [(event.delta.stop_reason, event.usage.output_tokens) for event in ends] == [
        (message.stop_reason, message.usage.output_tokens)
    ]


@pytest.mark.parametrize("fields", [{}, FORCED_FUNCTION, {"max_output_tokens": 2}])
def test_responses_are_openais(fields: dict[str, Any]) -> None:
    def answer() -> ResponsesAnswer:
        return ResponsesAnswer(ask(**fields), number=1, tokens=5)

    whole = Response.model_validate_json(answer().whole())
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    seen = [adapter.validate_python(event) for event in events(answer())]
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    assert seen[-1].response.model_dump() == whole.model_dump()
    if not fields:
        assert whole.output_text == text_of(5)


@pytest.mark.parametrize(
    ("fields", "headers", "words"),
    [
        ({}, VERSIONED, ""),
        ({}, [], "anthropic-version"),
        ({"max_tokens": None}, VERSIONED, "max_tokens"),
        ({"messages": [{"role": "system", "content": "x"}]}, VERSIONED, "role"),
        ({"messages": [1]}, VERSIONED, "messages"),
        ({"messages": "x"}, VERSIONED, "messages"),
    ],
)
def test_what_anthropic_would_refuse(fields: dict[str, Any], headers: list[tuple[bytes, bytes]], words: str) -> None:
    found = problem(ask(**fields), headers)
    assert words in found
    assert bool(words) == bool(found)
