"""OpenAI's chat with OpenAI's SDK, before an upstream of each wire."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import Site
from tests.e2e.wires.calls import FUNCTION, LANES, PIXEL, SCHEMA, WORDS, counted, row, sent, told, tool_call

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("lane", LANES)
def test_chat(provider: DevProvider, site: Site, chat: openai.OpenAI, lane: str) -> None:
    messages: Any = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    raw = chat.chat.completions.with_raw_response.create(model=lane, messages=messages, max_completion_tokens=7)
    answer = ChatCompletion.model_validate(raw.parse().model_dump(warnings=False))
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (WORDS, "length")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens_details is not None
    usage = (answer.usage.prompt_tokens, answer.usage.prompt_tokens_details.cached_tokens, 7)
    assert counted(site, raw.headers["x-modelwright-call"]) == ("chat", "ok", *usage)
    body = sent(provider)
    if lane == "claude":
        assert body == {
            "model": "vendor-model",
            "system": "Be kind.",
            "messages": messages[1:],
            "max_tokens": 7,
        }
    else:
        assert body == {"model": "vendor-model", "messages": messages, "max_completion_tokens": 7}


@pytest.mark.parametrize("split", ["", "split@3"])
@pytest.mark.parametrize("lane", LANES)
def test_chat_streams(provider: DevProvider, site: Site, chat: openai.OpenAI, lane: str, split: str) -> None:
    provider.fails(*filter(None, [split]))
    raw = chat.chat.completions.with_raw_response.create(
        model=lane,
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=7,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(raw.parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == WORDS
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "length"
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    counts = (usage.prompt_tokens, usage.prompt_tokens_details.cached_tokens, 7)
    assert counted(site, raw.headers["x-modelwright-call"]) == ("chat", "ok", *counts)


@pytest.mark.parametrize("lane", LANES)
def test_usage_that_a_client_did_not_ask_for_is_counted_and_not_shown(
    site: Site, chat: openai.OpenAI, lane: str
) -> None:
    raw = chat.chat.completions.with_raw_response.create(
        model=lane, messages=[{"role": "user", "content": "Hi"}], stream=True
    )
    assert all(chunk.usage is None and chunk.choices for chunk in raw.parse())
    one = row(site, raw.headers["x-modelwright-call"])
    assert (one.input_tokens, one.output_tokens) == (8, 6 if lane == "claude" else 8)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("lane", LANES)
def test_chat_calls_tools(provider: DevProvider, chat: openai.OpenAI, lane: str, stream: bool) -> None:  # noqa: FBT001
    asked: Any = {
        "model": lane,
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "tool_calls": [tool_call("1", '{"said":"a"}')]},
            {"role": "tool", "tool_call_id": "1", "content": "noted"},
        ],
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": {"type": "function", "function": {"name": "note"}},
        "max_tokens": 8,
    }
    if stream:
        with chat.chat.completions.stream(**asked) as events:
            choice = events.get_final_completion().choices[0]
    else:
        choice = chat.chat.completions.create(**asked).choices[0]
    calls: Any = choice.message.tool_calls
    (call,) = calls
    assert (choice.finish_reason, call.type) == ("tool_calls", "function")
    assert (call.id, told(call)) == ("toolu_dev" if lane == "claude" else "call_dev", {"said": f"{WORDS} 你好"})
    body = sent(provider)
    if lane != "claude":
        assert (body["messages"], body["tools"]) == (asked["messages"], asked["tools"])
        return
    use = {"type": "tool_use", "id": "1", "name": "note", "input": {"said": "a"}}
    result = {"type": "tool_result", "tool_use_id": "1", "content": "noted"}
    assert body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    assert body["tools"] == [{"name": "note", "description": "Notes words.", "input_schema": SCHEMA}]
    assert body["tool_choice"] == {"type": "tool", "name": "note"}


def test_pictures_and_schemas_reach_anthropic(provider: DevProvider, chat: openai.OpenAI) -> None:
    content: Any = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "image_url", "image_url": {"url": "https://pictures.example/a.png"}},
    ]
    schema: Any = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    chat.chat.completions.create(
        model="claude",
        messages=[{"role": "user", "content": content}],
        response_format=schema,
        stop="END",
        temperature=0.5,
        top_p=0.5,
        user="u",
        extra_body={"top_k": 3},
    )
    assert sent(provider) == {
        "model": "vendor-model",
        "max_tokens": 6,  # the provider's option
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
                    },
                    {"type": "image", "source": {"type": "url", "url": "https://pictures.example/a.png"}},
                ],
            }
        ],
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "stop_sequences": ["END"],
        "temperature": 0.5,
        "top_p": 0.5,
        "metadata": {"user_id": "u"},
        "top_k": 3,
    }


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_are_reasoning(chat: openai.OpenAI, stream: bool) -> None:  # noqa: FBT001
    asked: Any = {
        "model": "claude",
        "messages": [{"role": "user", "content": "Hi"}],
        "extra_body": {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    }
    if stream:
        deltas = [chunk.choices[0].delta.model_dump() for chunk in chat.chat.completions.create(**asked, stream=True)]
        found = [(delta.get("reasoning_content"), delta.get("thinking_blocks")) for delta in deltas]
        thoughts, blocks = "".join(one or "" for one, _ in found), [one for _, many in found for one in many or ()]
    else:
        message = chat.chat.completions.create(**asked).choices[0].message.model_dump()
        thoughts, blocks = message["reasoning_content"], message["thinking_blocks"]
    assert thoughts == "The same question."
    assert blocks == [{"type": "thinking", "thinking": "The same question.", "signature": "dev-signature"}]


def test_whatever_chat_knows_passes_to_a_provider_of_chat_as_it_is(provider: DevProvider, site: Site) -> None:
    body = {
        "model": "openai",
        "messages": [
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}]},
            {"role": "assistant", "content": None, "tool_calls": [tool_call("1", "{}")], "x_unknown": 1},
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "noted"}]},
        ],
        "n": 2,
        "logprobs": True,
        "top_logprobs": 3,
        "logit_bias": {"5": -100},
        "tools": [{"type": "function", "function": FUNCTION}],
        "parallel_tool_calls": False,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
        "x_unknown": {"deep": [1.5, None]},
    }
    assert site.call("POST", "/v1/chat/completions", json.dumps(body).encode()).status == 200
    assert sent(provider) == {**body, "model": "vendor-model"}


@pytest.mark.parametrize("fault", ["error@6", "cut@6"])
def test_a_stream_of_chat_that_breaks_at_anthropic_has_no_end(
    provider: DevProvider, chat: openai.OpenAI, fault: str
) -> None:
    provider.fails(fault)
    seen: list[Any] = []
    with pytest.raises(openai.APIError):
        seen.extend(
            chat.chat.completions.create(model="claude", messages=[{"role": "user", "content": "Hi"}], stream=True)
        )
    assert all(chunk.choices[0].finish_reason is None for chunk in seen)


def test_an_overloaded_vendor_is_unavailable_to_clients_of_openais_wire(
    provider: DevProvider, chat: openai.OpenAI
) -> None:
    provider.fails("529")
    with pytest.raises(openai.InternalServerError) as caught:
        chat.chat.completions.create(model="claude", messages=[{"role": "user", "content": "Hi"}])
    assert (caught.value.status_code, caught.value.code) == (503, "provider_overloaded")
    assert caught.value.response.headers["retry-after"] == "1"
