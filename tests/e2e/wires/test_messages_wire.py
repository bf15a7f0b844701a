"""Anthropic's messages with Anthropic's SDK, before an upstream of each wire."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types import Message

from tests.e2e.clients import patient
from tests.e2e.gateway_site import DevProvider
from tests.e2e.running import Site
from tests.e2e.wires.calls import FUNCTION, LANES, SCHEMA, WORDS, counted, row, sent, tool_call

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("lane", LANES)
def test_messages(provider: DevProvider, site: Site, claude: anthropic.Anthropic, lane: str) -> None:
    raw = claude.messages.with_raw_response.create(
        model=lane,
        max_tokens=7,
        system="Be kind.",
        messages=[{"role": "user", "content": "Hi"}],
        metadata={"user_id": "u"},
        extra_headers={"anthropic-beta": "some-beta"},
        extra_body={"x_unknown": 1},
    )
    message = raw.parse()
    assert Message.model_validate(message.model_dump(warnings=False)).content[0].model_dump()["text"] == WORDS
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 7)
    usage, call = message.usage, raw.headers["x-modelwright-call"]
    read, written = usage.cache_read_input_tokens or 0, usage.cache_creation_input_tokens or 0
    assert counted(site, call) == ("messages", "ok", usage.input_tokens + read + written, read, 7)
    assert row(site, call).user == "u"
    (request,) = provider.requests
    if lane == "claude":
        assert request["body"] == {
            "model": "vendor-model",
            "max_tokens": 7,
            "system": "Be kind.",
            "messages": [{"role": "user", "content": "Hi"}],
            "metadata": {"user_id": "u"},
            "x_unknown": 1,
        }
        assert request["headers"]["anthropic-beta"] == "some-beta"
        assert written
        return
    assert request["body"] == {
        "model": "vendor-model",
        "max_completion_tokens" if lane == "full" else "max_tokens": 7,
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
        "user": "u",
        "x_unknown": 1,
    }
    assert "anthropic-beta" not in request["headers"]


@pytest.mark.parametrize("split", ["", "split@3"])
@pytest.mark.parametrize("lane", LANES)
def test_messages_stream(provider: DevProvider, site: Site, claude: anthropic.Anthropic, lane: str, split: str) -> None:
    provider.fails(*filter(None, [split]))
    with claude.messages.stream(model=lane, max_tokens=7, messages=[{"role": "user", "content": "Hi"}]) as stream:
        assert "".join(stream.text_stream) == WORDS
        message = stream.get_final_message()
        call = stream.response.headers["x-modelwright-call"]
    assert message.stop_reason == "max_tokens"
    read, written = message.usage.cache_read_input_tokens or 0, message.usage.cache_creation_input_tokens or 0
    assert read
    assert counted(site, call) == ("messages", "ok", message.usage.input_tokens + read + written, read, 7)


@pytest.mark.parametrize("lane", LANES)
def test_messages_say_their_events_by_name(site: Site, lane: str) -> None:
    body = {"model": lane, "max_tokens": 2, "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    answer = site.call("POST", "/v1/messages", json.dumps(body).encode())
    names = [line.removeprefix("event: ") for line in answer.body.decode().splitlines() if line.startswith("event: ")]
    assert names == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("lane", LANES)
def test_messages_use_tools(
    provider: DevProvider,
    claude: anthropic.Anthropic,
    lane: str,
    stream: bool,  # noqa: FBT001
) -> None:
    asked: Any = {
        "model": lane,
        "max_tokens": 8,
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "note", "input": {"said": "a"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "noted"}]},
        ],
        "tools": [{"name": "note", "description": "Notes words.", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "note"},
    }
    if stream:
        with claude.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = claude.messages.create(**asked)
    (block,) = message.content
    assert block.type == "tool_use"
    assert (message.stop_reason, block.name, block.input) == ("tool_use", "note", {"said": f"{WORDS} 你好"})
    body = sent(provider)
    if lane == "claude":
        assert (body["messages"], body["tools"]) == (asked["messages"], asked["tools"])
        return
    assert body["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [tool_call("1", '{"said":"a"}')]},
        {"role": "tool", "tool_call_id": "1", "content": "noted"},
    ]
    assert body["tools"] == [{"type": "function", "function": FUNCTION}]


REFUSALS = [
    ("400", anthropic.BadRequestError, "invalid_request_error", "provider_refused"),
    ("401", anthropic.InternalServerError, "api_error", "provider_auth"),
    ("429", anthropic.RateLimitError, "rate_limit_error", "provider_rate_limited"),
    ("500", anthropic.InternalServerError, "api_error", "provider_error"),
    ("529", anthropic.OverloadedError, "overloaded_error", "provider_overloaded"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "kind", "word", "outcome"), REFUSALS)
@pytest.mark.parametrize("lane", ["openai", "claude"])
def test_failures_of_a_provider_in_anthropics_words(
    provider: DevProvider,
    site: Site,
    claude: anthropic.Anthropic,
    lane: str,
    stream: bool,  # noqa: FBT001
    *,
    fault: str,
    kind: type[anthropic.APIStatusError],
    word: str,
    outcome: str,
) -> None:
    if (lane, fault) == ("openai", "529"):
        kind, word, outcome = anthropic.InternalServerError, "api_error", "provider_error"
    provider.fails(fault)
    with pytest.raises(kind) as caught:
        claude.messages.create(model=lane, max_tokens=9, messages=[{"role": "user", "content": "Hi"}], stream=stream)
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", word)
    one = row(site, caught.value.response.headers["x-modelwright-call"])
    assert (one.outcome, one.status) == (outcome, caught.value.status_code)


def test_refusals_of_ours_in_anthropics_words(site: Site, claude: anthropic.Anthropic) -> None:
    hello: Any = {"max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="mw-wrong").messages.create(model="claude", **hello)
    with pytest.raises(anthropic.NotFoundError, match="not served"):
        claude.messages.create(model="nobody", **hello)
    with pytest.raises(anthropic.UnprocessableEntityError, match=r"tools\[0\]"):
        claude.messages.create(model="openai", **hello, tools=[{"type": "web_search_20250305", "name": "web_search"}])
    with pytest.raises(anthropic.NotFoundError, match="nothing is served"):
        claude.messages.count_tokens(model="claude", messages=hello["messages"])
    answer = site.call("POST", "/v1/messages", b"{")
    assert (answer.status, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    answer = site.call("GET", "/v1/messages")
    assert (answer.status, answer.json()["type"]) == (405, "error")


BROKEN = [("error@6", "provider_error"), ("cut@6", "upstream_truncated")]


@pytest.mark.parametrize(("fault", "outcome"), BROKEN)
@pytest.mark.parametrize("lane", ["openai", "claude"])
def test_a_stream_of_messages_that_breaks_ends_with_an_error(
    provider: DevProvider, site: Site, claude: anthropic.Anthropic, lane: str, *, fault: str, outcome: str
) -> None:
    provider.fails(fault)
    seen: list[Any] = []
    stream = claude.messages.create(model=lane, max_tokens=9, messages=[{"role": "user", "content": "Hi"}], stream=True)
    with pytest.raises(anthropic.APIStatusError) as caught:
        seen.extend(stream)
    body: Any = caught.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "api_error")
    assert [event.type for event in seen].count("content_block_delta") == 6
    assert not [event for event in seen if event.type in {"message_delta", "message_stop"}]
    assert row(site, stream.response.headers["x-modelwright-call"]).outcome == outcome


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_falls_back_from_one_wire_to_another(
    provider: DevProvider,
    claude: anthropic.Anthropic,
    stream: bool,  # noqa: FBT001
) -> None:
    provider.fails("500x1")
    asked: Any = {"model": "assistant", "max_tokens": 7, "messages": [{"role": "user", "content": "Hi"}]}
    if stream:
        with claude.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = claude.messages.create(**asked)
    assert message.content[0].model_dump()["text"] == WORDS
    assert [request["path"] for request in provider.requests] == ["/v1/messages", "/v1/chat/completions"]


def test_streams_are_kept_on_every_wire_of_a_provider_of_chat(
    provider: DevProvider, site: Site, claude: anthropic.Anthropic, chat: openai.OpenAI
) -> None:
    asked: Any = {"model": "kept", "max_tokens": 7, "messages": [{"role": "user", "content": "Hi"}]}
    seen: list[str] = []
    for _ in range(2):
        with claude.messages.stream(**asked) as stream:
            message = stream.get_final_message()
            seen.append(stream.response.headers["x-modelwright-cache"])
        assert (message.content[0].model_dump()["text"], message.usage.output_tokens) == (WORDS, 7)
    answer = chat.responses.with_raw_response.create(model="kept", input="Hi", max_output_tokens=7, stream=True)
    seen.append(answer.headers["x-modelwright-cache"])
    last: Any = list(answer.parse())[-1]
    assert last.response.output_text == WORDS
    assert seen == ["miss", "hit", "hit"]
    assert provider.seen()["received"] == 1
    assert row(site, answer.headers["x-modelwright-call"]).operation == "responses"


@pytest.mark.parametrize("lane", ["guarded", "guarded-claude"])
def test_guarded_streams_are_masked_on_every_wire(claude: anthropic.Anthropic, chat: openai.OpenAI, lane: str) -> None:
    said = "Write to [EMAIL], please."
    hello: Any = [{"role": "user", "content": "Write to bob@example.com, please."}]
    with claude.messages.stream(model=lane, max_tokens=99, messages=hello) as stream:
        assert "".join(stream.text_stream) == said
    events = chat.responses.create(model=lane, input=hello[0]["content"], stream=True)
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == said
    message = claude.messages.create(model=lane, max_tokens=99, messages=hello)
    assert message.content[0].model_dump()["text"] == said


@pytest.mark.parametrize(("wire", "lane"), [("messages", "openai"), ("chat", "claude"), ("responses", "claude")])
def test_translated_events_leave_as_they_arrive_and_a_client_that_leaves_closes_the_upstream(
    provider: DevProvider, site: Site, claude: anthropic.Anthropic, chat: openai.OpenAI, wire: str, *, lane: str
) -> None:
    provider.fails("stall@2")  # whoever waited for the end would wait for long
    hello: Any = [{"role": "user", "content": "Hi"}]
    stream: Any
    match wire:
        case "messages":
            stream = claude.messages.create(model=lane, max_tokens=9, messages=hello, stream=True)
        case "chat":
            stream = chat.chat.completions.create(model=lane, messages=hello, stream=True)
        case _:
            stream = chat.responses.create(model=lane, input="Hi", stream=True)
    seen = 0
    for event in stream:
        seen += " question" in event.model_dump_json() or '"Same"' in event.model_dump_json()
        if seen == 2:
            break
    stream.close()
    patient(lambda: provider.requests[0]["client_gone"], waiting_for="the upstream to be closed")
    one = row(site, stream.response.headers["x-modelwright-call"])
    assert (one.outcome, one.input_tokens is not None) == ("client_disconnect", lane == "claude")
