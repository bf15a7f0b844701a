"""OpenAI's responses with OpenAI's SDK, before an upstream of each wire."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import anthropic
import openai
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import Site
from tests.e2e.wires.calls import LANES, SCHEMA, WORDS, block, counted, row, sent, tool_call

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("lane", LANES)
def test_responses(provider: DevProvider, site: Site, chat: openai.OpenAI, lane: str) -> None:
    raw = chat.responses.with_raw_response.create(
        model=lane, instructions="Be kind.", input="Hi", max_output_tokens=7, extra_body={"x_unknown": 1}
    )
    response: Any = raw.parse()
    assert Response.model_validate(response.model_dump(warnings=False)).output_text == WORDS
    assert (response.status, response.store) == ("incomplete", False)
    assert response.usage is not None
    usage = (response.usage.input_tokens, response.usage.input_tokens_details.cached_tokens, 7)
    assert counted(site, raw.headers["x-modelwright-call"]) == ("responses", "ok", *usage)
    system, hello = {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}
    bodies: dict[str, dict[str, Any]] = {
        "openai": {"messages": [system, hello], "max_tokens": 7},
        "claude": {"system": "Be kind.", "messages": [hello], "max_tokens": 7},
        "full": {"instructions": "Be kind.", "input": "Hi", "max_output_tokens": 7, "store": False},
    }
    assert sent(provider) == {"model": "vendor-model", "x_unknown": 1, **bodies[lane]}


@pytest.mark.parametrize("split", ["", "split@3"])
@pytest.mark.parametrize("lane", LANES)
def test_responses_stream(provider: DevProvider, site: Site, chat: openai.OpenAI, lane: str, split: str) -> None:
    provider.fails(*filter(None, [split]))
    raw = chat.responses.with_raw_response.create(model=lane, input="Hi", stream=True)
    events = list(raw.parse())
    adapter: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for event in events:
        adapter.validate_python(event.model_dump(warnings=False))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == ("Same question, same answer:" if lane == "claude" else f"{WORDS} 你好")
    last: Any = events[-1]
    assert last.type in {"response.completed", "response.incomplete"}
    assert last.response.usage is not None
    usage = last.response.usage
    counts = (usage.input_tokens, usage.input_tokens_details.cached_tokens, usage.output_tokens)
    assert counted(site, raw.headers["x-modelwright-call"]) == ("responses", "ok", *counts)


@pytest.mark.parametrize("lane", LANES)
def test_responses_call_functions(provider: DevProvider, chat: openai.OpenAI, lane: str) -> None:
    asked: Any = {
        "model": lane,
        "input": [
            {"role": "user", "content": "Hi"},
            {"type": "function_call", "call_id": "1", "name": "note", "arguments": '{"said":"a"}'},
            {"type": "function_call_output", "call_id": "1", "output": "noted"},
        ],
        "tools": [{"type": "function", "name": "note", "parameters": SCHEMA, "strict": True}],
        "tool_choice": {"type": "function", "name": "note"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}},
        "max_output_tokens": 8,
    }
    whole = chat.responses.create(**asked)
    body = sent(provider)
    provider.fails()
    with chat.responses.stream(**asked) as events:
        streamed = events.get_final_response()
    for response in (whole, streamed):
        (call,) = response.output
        assert call.type == "function_call"
        assert (response.status, call.name, json.loads(call.arguments)) == (
            "completed",
            "note",
            {"said": f"{WORDS} 你好"},
        )
    if lane == "full":
        assert body == {**asked, "model": "vendor-model", "store": False}
    elif lane == "openai":
        assert body["messages"] == [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": None, "tool_calls": [tool_call("1", '{"said":"a"}')]},
            {"role": "tool", "tool_call_id": "1", "content": "noted"},
        ]
        assert body["response_format"]["json_schema"] == {"name": "n", "schema": SCHEMA, "strict": True}
    else:
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
        assert body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}


@pytest.mark.parametrize(("field", "value"), [("previous_response_id", "resp_1"), ("store", True)])
def test_responses_keep_no_state_and_say_so(provider: DevProvider, chat: openai.OpenAI, field: str, value: Any) -> None:
    for lane in LANES:
        with pytest.raises(openai.BadRequestError, match="nothing is kept here") as caught:
            chat.responses.create(model=lane, input="Hi", **{field: value})
        assert caught.value.param == field
    assert not provider.requests


@pytest.mark.parametrize("fault", ["error@6", "cut@6"])
@pytest.mark.parametrize("lane", LANES)
def test_a_stream_of_a_response_that_breaks_ends_with_an_error(
    provider: DevProvider, site: Site, chat: openai.OpenAI, lane: str, fault: str
) -> None:
    provider.fails(fault)
    raw = chat.responses.with_raw_response.create(model=lane, input="Hi", stream=True)
    *before, last = raw.parse()
    assert last.type == "error"
    assert last.sequence_number == len(before)
    assert not [event for event in before if event.type == "response.completed"]
    outcome = "provider_error" if fault == "error@6" else "upstream_truncated"
    assert row(site, raw.headers["x-modelwright-call"]).outcome == outcome


@pytest.mark.parametrize("lane", LANES)
def test_before_anything_was_sent_a_response_fails_with_its_status(
    provider: DevProvider, chat: openai.OpenAI, lane: str
) -> None:
    provider.fails("429@7s")
    with pytest.raises(openai.RateLimitError) as caught:
        chat.responses.create(model=lane, input="Hi", stream=True)
    assert caught.value.response.headers["retry-after"] == "7"


def test_both_sdks_read_the_list_of_models(chat: openai.OpenAI, claude: anthropic.Anthropic) -> None:
    names = ["assistant", "claude", "full", "guarded", "guarded-claude", "kept", "openai"]
    names += [f"prompted-{lane}" for lane in sorted(LANES)]
    assert [model.id for model in chat.models.list()] == names
    assert [(model.id, model.type, model.display_name) for model in claude.models.list()] == [
        (name, "model", name) for name in names
    ]
    assert claude.models.retrieve("claude").id == "claude"


def test_the_guides_example_prints_what_it_says(site: Site) -> None:
    env = {
        **os.environ,
        "OPENAI_BASE_URL": f"{site.public}/v1",
        "OPENAI_API_KEY": site.key,
        "ANTHROPIC_BASE_URL": site.public,
        "ANTHROPIC_API_KEY": site.key,
    }
    command = [sys.executable, "-c", block("python")]
    found = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert found.stdout == block("text"), found.stderr
