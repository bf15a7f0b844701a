"""Requests keep their meaning on every wire, and what has no word there is refused by its name."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.errors.calls import CallError, Malformed, Unprocessable
from modelwright.core.wire.between import chat_to_messages, messages_to_chat, responses_to_chat
from tests.unit.core.wire.between.wires import VALUES, chat_requests

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TELL: dict[str, Any] = {**ASK, "max_tokens": 9}


def to_messages(request: dict[str, Any]) -> dict[str, Any]:
    return msgspec.json.decode(chat_to_messages.translate(msgspec.json.encode(request), max_tokens=4096))


def to_chat(request: dict[str, Any], **options: Any) -> dict[str, Any]:
    return msgspec.json.decode(messages_to_chat.translate(msgspec.json.encode(request), **options))


def responses_chat(request: dict[str, Any], **options: Any) -> dict[str, Any]:
    return msgspec.json.decode(responses_to_chat.translate(msgspec.json.encode(request), **options))


@given(chat_requests())
def test_what_goes_to_messages_and_back_is_the_same(request: dict[str, Any]) -> None:
    assert to_chat(to_messages(request)) == request


CHAT_ASKED: dict[str, Any] = {
    "model": "claude",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": [{"type": "text", "text": "And short.", "cache_control": {"type": "x"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}}],
            "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "4"},
        {"role": "tool", "tool_call_id": "t2", "content": [{"type": "text", "text": "5"}]},
        {"role": "user", "content": "Go on"},
    ],
    "max_completion_tokens": 10,
    "stop": "END",
    "seed": 1,
    "top_k": 3,
    "user": "u",
    "parallel_tool_calls": False,
    "tools": [{"type": "function", "function": {"name": "f"}}, {"type": "web_search_20250305", "name": "s"}],
}
CHAT_TOLD = {
    "model": "claude",
    "max_tokens": 10,
    "system": [
        {"type": "text", "text": "Be kind."},
        {"type": "text", "text": "And short.", "cache_control": {"type": "x"}},
    ],
    "messages": [
        {
            "role": "user",
            "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "4"},
                {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "5"}]},
            ],
        },
        {"role": "user", "content": "Go on"},
    ],
    "stop_sequences": ["END"],
    "top_k": 3,
    "metadata": {"user_id": "u"},
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "tools": [
        {"name": "f", "input_schema": {"type": "object", "properties": {}}},
        {"type": "web_search_20250305", "name": "s"},
    ],
}


def test_a_chat_request_on_anthropics_wire() -> None:
    assert to_messages(CHAT_ASKED) == CHAT_TOLD


def test_a_limit_is_sent_even_when_the_client_has_none() -> None:
    assert to_messages(ASK)["max_tokens"] == 4096


MESSAGES_ASKED: dict[str, Any] = {
    "model": "gpt",
    "max_tokens": 9,
    "system": [
        {"type": "text", "text": "A"},
        {"type": "text", "text": "B", "cache_control": {"type": "ephemeral"}},
    ],
    "thinking": {"type": "enabled", "budget_tokens": 2048},
    "top_k": 4,
    "betas": ["x"],
    "messages": [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [
                        {"type": "text", "text": "4"},
                        {"type": "image", "source": {"type": "url", "url": "https://p.example/a.png"}},
                    ],
                },
                {"type": "document", "source": {"type": "text", "data": "D", "media_type": "text/plain"}},
            ],
        },
    ],
    "tools": [{"name": "f", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "any"},
}
MESSAGES_CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
MESSAGES_TOLD = {
    "model": "gpt",
    "max_completion_tokens": 9,
    "messages": [
        {"role": "system", "content": "A\n\nB"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [MESSAGES_CALL]},
        {"role": "tool", "tool_call_id": "t1", "content": "4"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "https://p.example/a.png"}},
                {"type": "text", "text": "D"},
            ],
        },
    ],
    "betas": ["x"],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "tool_choice": "required",
}


def test_a_request_of_messages_on_the_chat_wire() -> None:
    assert to_chat(MESSAGES_ASKED, limit_field="max_completion_tokens") == MESSAGES_TOLD


RESPONSES_ASKED: dict[str, Any] = {
    "model": "gpt",
    "instructions": "Be kind.",
    "input": [
        {"role": "developer", "content": "Short."},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is it?"},
                {"type": "input_image", "image_url": "https://p.example/a.png", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "4"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "5"}]},
    ],
    "max_output_tokens": 9,
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}},
    "reasoning": {"effort": "low"},
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": False}],
    "tool_choice": {"type": "function", "name": "f"},
    "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
    "top_logprobs": 2,
    "store": False,
    "x_unknown": 1,
}
RESPONSES_CALLS = [
    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
    {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
]
RESPONSES_FILE = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}
RESPONSES_TOLD = {
    "model": "gpt",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "system", "content": "Short."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "https://p.example/a.png", "detail": "low"}},
                {"type": "file", "file": RESPONSES_FILE},
            ],
        },
        {"role": "assistant", "content": "Let me see.", "tool_calls": RESPONSES_CALLS},
        {"role": "tool", "tool_call_id": "c1", "content": "4"},
        {"role": "tool", "tool_call_id": "c2", "content": "5"},
    ],
    "max_tokens": 9,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
    },
    "reasoning_effort": "low",
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": False}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "logprobs": True,
    "top_logprobs": 2,
    "x_unknown": 1,
}


def test_a_response_request_on_the_chat_wire() -> None:
    assert responses_chat(RESPONSES_ASKED) == RESPONSES_TOLD


def test_a_text_alone_is_the_users() -> None:
    assert responses_chat({"model": "m", "input": "Hi"}) == ASK


PART = {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "[1]"}}


@pytest.mark.parametrize(
    ("fields", "param", "kind"),
    [
        ({"n": 2}, "n", Unprocessable),
        ({"logprobs": True}, "logprobs", Unprocessable),
        ({"functions": [{}]}, "functions", Unprocessable),
        ({"modalities": ["text", "audio"]}, "modalities", Unprocessable),
        ({"response_format": {"type": "json_object"}}, "response_format", Unprocessable),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice", Unprocessable),
        ({"tools": [{"type": "custom"}]}, "tools[0]", Unprocessable),
        ({"tools": [{"type": "function"}]}, "tools[0].function", Malformed),
        ({"messages": [PART]}, "messages[0].content[0]", Unprocessable),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].role", Unprocessable),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id", Malformed),
        (
            {"messages": [{"role": "assistant", "tool_calls": [CALL]}]},
            "messages[0].tool_calls[0].function.arguments",
            Malformed,
        ),
        ({"messages": 1}, "messages", Malformed),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content", Malformed),
    ],
)
def test_chat_that_messages_cannot_say(fields: dict[str, Any], param: str, kind: type[CallError]) -> None:
    with pytest.raises(kind) as caught:
        to_messages({**ASK, **fields})
    assert (caught.value.param or "").startswith(param)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("fields", "param", "kind"),
    [
        ({"max_tokens": None}, "max_tokens", Malformed),
        ({"container": "c"}, "container", Unprocessable),
        ({"mcp_servers": [{}]}, "mcp_servers", Unprocessable),
        ({"tools": [{"type": "web_search_20250305", "name": "w"}]}, "tools[0]", Unprocessable),
        ({"tool_choice": {"type": "tool"}}, "tool_choice", Malformed),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", Malformed),
        (
            {"messages": [{"role": "user", "content": [{"type": "search_result"}]}]},
            "messages[0].content[0]",
            Unprocessable,
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file"}}]}]},
            "messages[0].content[0]",
            Unprocessable,
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": [1]}]}]},
            "messages[0].content[0].content",
            Malformed,
        ),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text", Malformed),
        ({"system": [{"type": "image"}]}, "system[0]", Unprocessable),
    ],
)
def test_messages_that_chat_cannot_say(fields: dict[str, Any], param: str, kind: type[CallError]) -> None:
    with pytest.raises(kind) as caught:
        to_chat({**TELL, **fields})
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("fields", "param", "kind"),
    [
        ({"prompt": {"id": "p"}}, "prompt", Unprocessable),
        ({"background": True}, "background", Unprocessable),
        ({"truncation": "auto"}, "truncation", Unprocessable),
        ({"include": ["file_search_call.results"]}, "include", Unprocessable),
        ({"tools": [{"type": "web_search"}]}, "tools[0]", Unprocessable),
        ({"tool_choice": {"type": "mcp"}}, "tool_choice", Unprocessable),
        ({"text": {"format": {"type": "grammar"}}}, "text.format", Unprocessable),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type", Unprocessable),
        ({"input": [{"type": "computer_call"}]}, "input[0].type", Unprocessable),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role", Malformed),
        ({"input": [{"role": "user"}]}, "input[0].content", Malformed),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0]",
            Unprocessable,
        ),
        ({"input": [{"role": "user", "content": [{"type": "text"}]}]}, "input[0].content[0].text", Malformed),
        ({"input": 1}, "input", Malformed),
    ],
)
def test_responses_that_chat_cannot_say(fields: dict[str, Any], param: str, kind: type[CallError]) -> None:
    with pytest.raises(kind) as caught:
        responses_chat({"model": "m", "input": "Hi", **fields})
    assert caught.value.param == param


FIELDS = st.sampled_from(
    [
        *("messages", "model", "max_tokens", "system", "tools", "tool_choice", "stop", "response_format", "input"),
        *("content", "role", "type", "text", "image_url", "source", "function", "tool_calls", "output_config", "file"),
        *("metadata", "thinking", "output", "reasoning", "include", "n", "logprobs", "user", "format", "name"),
    ]
)
STRANGE = st.recursive(
    VALUES | st.sampled_from(["user", "assistant", "tool", "text", "image", "image_url", "function", "message"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(FIELDS, STRANGE, max_size=8), st.sampled_from([{}, {**TELL, "input": "Hi"}]))
def test_no_request_makes_a_translation_fail_otherwise(fields: dict[str, Any], plain: dict[str, Any]) -> None:
    body = msgspec.json.encode({**plain, **fields})
    for translate in (
        lambda: chat_to_messages.translate(body, max_tokens=1),
        lambda: messages_to_chat.translate(body),
        lambda: responses_to_chat.translate(body),
    ):
        with suppress(CallError):
            msgspec.json.decode(translate())
