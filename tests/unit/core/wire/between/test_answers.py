"""Answers keep their meaning on every wire, whole and streamed, wherever the stream is cut."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.contracts.ledger import Usage
from modelwright.core.errors.providers import ProviderError, UpstreamTruncated
from modelwright.core.ports.providers import Spoken
from modelwright.core.wire import anthropic, responses
from modelwright.core.wire.between import as_messages, as_responses, chat, from_messages
from modelwright.core.wire.between.chat import Answer
from modelwright.core.wire.forms import Form, answerable
from tests.unit.core.wire.between.wires import (
    FACTS,
    answers,
    chat_streams,
    cut,
    joined,
    named_events,
)

CUTS = st.lists(st.integers(0, 1 << 20), max_size=6)
ASKED = b'{"model":"m","input":"Hi","temperature":0.5,"metadata":{"a":"b"}}'


def form(client: str, upstream: str) -> Form:
    made = Form(client, Spoken(operation=upstream), FACTS)
    if client == "responses":
        made.request(ASKED)
    return made


def through(made: Form, events: list[bytes]) -> bytes:
    """What the client of a stream gets."""
    stream = made.stream()
    out = b"".join([stream.read(event)[0] for event in events])
    assert stream.done
    return out


def known(answer: dict[str, Any]) -> tuple[Any, ...]:
    """What must stay the same of a chat answer."""
    choice, usage = answer["choices"][0], answer["usage"]
    message = choice["message"]
    calls = [(call["id"], call["function"]) for call in message.get("tool_calls") or ()]
    thought = message.get("reasoning_content")
    return message.get("content"), thought, calls, choice["finish_reason"], usage, answer["model"]


def as_known(answer: Answer) -> tuple[Any, ...]:
    return known(msgspec.to_builtins(answer))


@given(answers())
def test_a_whole_answer_told_as_a_message_and_read_again_is_the_same(answer: dict[str, Any]) -> None:
    told, head = form("messages", "chat").answer(msgspec.json.encode(answer))
    again, _ = form("chat", "messages").answer(told)
    assert known(msgspec.json.decode(again)) == known(answer)
    assert head.usage == anthropic.read_answer(told).usage  # type: ignore[union-attr]


@given(chat_streams(), CUTS)
def test_a_stream_told_as_messages_is_one_message_in_order(stream: tuple[dict[str, Any], bytes], at: list[int]) -> None:
    answer, chunks = stream
    told = through(form("messages", "chat"), cut(chunks, at))
    events = named_events(told)
    assert [name for name, _ in events[:2]] == ["message_start", "ping"]
    assert [name for name, _ in events[-2:]] == ["message_delta", "message_stop"]
    opened = -1
    for name, data in events[2:-2]:
        if name == "content_block_start":
            opened += 1
        assert data["index"] == opened
    assert len([name for name, _ in events if name == "content_block_stop"]) == opened + 1
    again = through(form("chat", "messages"), cut(told, at))
    whole = joined([chat.read(event[6:]) for event in cut(again, ()) if event != b"data: [DONE]\n\n"])
    assert as_known(whole) == known(answer)


@given(chat_streams(), CUTS)
def test_a_stream_told_as_a_response_is_the_response_it_ends_with(
    stream: tuple[dict[str, Any], bytes], at: list[int]
) -> None:
    answer, chunks = stream
    events = named_events(through(form("responses", "chat"), cut(chunks, at)))
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert [name for name, _ in events[:2]] == ["response.created", "response.in_progress"]
    last = events[-1][1]["response"]
    whole, _ = form("responses", "chat").answer(msgspec.json.encode(answer))
    assert last == msgspec.json.decode(whole) | {"output": last["output"]}
    finished = [data["item"] for name, data in events if name == "response.output_item.done"]
    assert last["output"] == finished
    assert [told_of(item) for item in finished] == [
        told_of(item) for item in msgspec.json.decode(whole)["output"] if told_of(item) != ("message", "")
    ]
    for item in finished:
        deltas = [data["delta"] for name, data in events if name.endswith(".delta") and data["item_id"] == item["id"]]
        assert "".join(deltas) == told_of(item)[1]


def told_of(item: dict[str, Any]) -> tuple[Any, ...]:
    match item["type"]:
        case "function_call":
            return "function_call", item["arguments"], item["name"], item["call_id"]
        case kind:
            return kind, "".join(part["text"] for part in item["content"])


@given(chat_streams(), CUTS)
def test_a_stream_of_messages_becomes_a_response(stream: tuple[dict[str, Any], bytes], at: list[int]) -> None:
    _, chunks = stream
    told = through(form("messages", "chat"), cut(chunks, ()))
    assert named_events(through(form("responses", "messages"), cut(told, at)))[-1][0] in responses.ENDS


MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xx"},
        {"type": "text", "text": "A"},
        {"type": "text", "text": "B"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": [1]}},
    ],
    "stop_reason": "tool_use",
    "usage": {
        "input_tokens": 1,
        "cache_read_input_tokens": 10,
        "cache_creation_input_tokens": 100,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 3},
    },
}
TOLD = {
    "id": "msg_1",
    "object": "chat.completion",
    "created": FACTS.created,
    "model": "claude",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "AB",
                "refusal": None,
                "reasoning_content": "hm",
                "thinking_blocks": MESSAGE["content"][:2],
                "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a":[1]}'}}],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {
        "prompt_tokens": 111,
        "completion_tokens": 7,
        "total_tokens": 118,
        "prompt_tokens_details": {"cached_tokens": 10, "cache_write_tokens": 100},
        "completion_tokens_details": {"reasoning_tokens": 3},
    },
}


def test_an_answer_of_anthropics_model() -> None:
    body, head = form("chat", "messages").answer(msgspec.json.encode(MESSAGE))
    assert msgspec.json.decode(body) == TOLD
    assert head.usage == Usage(
        input_tokens=111, cached_tokens=10, cache_write_tokens=100, output_tokens=7, reasoning_tokens=3
    )


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
        (None, None),
    ],
)
def test_why_a_message_ended(reason: str | None, finish: str | None) -> None:
    assert from_messages.read(msgspec.json.encode({"stop_reason": reason})).choices[0].finish_reason == finish


@pytest.mark.parametrize(
    ("finish", "reason", "status"),
    [
        ("stop", "end_turn", "completed"),
        ("length", "max_tokens", "incomplete"),
        ("content_filter", "refusal", "incomplete"),
        ("tool_calls", "tool_use", "completed"),
    ],
)
def test_why_a_chat_answer_ended(finish: str, reason: str, status: str) -> None:
    answer = {"choices": [{"message": {"content": "A"}, "finish_reason": finish}]}
    told = msgspec.json.decode(form("messages", "chat").answer(msgspec.json.encode(answer))[0])
    response = msgspec.json.decode(form("responses", "chat").answer(msgspec.json.encode(answer))[0])
    assert (told["stop_reason"], response["status"]) == (reason, status)
    assert (response["incomplete_details"] is not None) == (status == "incomplete")


def test_a_refusal_is_told_as_one() -> None:
    answer = {"choices": [{"message": {"refusal": "No."}, "finish_reason": "stop"}]}
    told = msgspec.json.decode(form("messages", "chat").answer(msgspec.json.encode(answer))[0])
    assert (told["stop_reason"], told["content"]) == ("refusal", [{"type": "text", "text": "No."}])
    response = msgspec.json.decode(form("responses", "chat").answer(msgspec.json.encode(answer))[0])
    assert response["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]


def test_a_response_repeats_its_request_and_keeps_nothing() -> None:
    answer = {
        "choices": [
            {"message": {"content": "A"}, "finish_reason": "stop", "logprobs": {"content": [{"token": "A"}]}},
        ]
    }
    response = msgspec.json.decode(form("responses", "chat").answer(msgspec.json.encode(answer))[0])
    assert (response["temperature"], response["metadata"], response["tools"]) == (0.5, {"a": "b"}, [])
    assert (response["store"], response["previous_response_id"]) == (False, None)
    assert response["output"][0]["content"][0]["logprobs"] == [{"token": "A"}]
    assert response["output"][0]["id"] == "msg_call-1_0"


def test_arguments_that_never_come_are_those_of_the_start() -> None:
    reader = from_messages.EventReader()
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    start = {"type": "content_block_start", "index": 3, "content_block": block}
    chunks = reader.read(msgspec.json.encode(start)) + reader.read(b'{"type":"content_block_stop","index":3}')
    (call,) = joined(chunks).choices[0].message.tool_calls or ()  # type: ignore[union-attr]
    assert call.function is not None
    assert call.function.arguments == '{"a":1}'


@pytest.mark.parametrize("client", ["messages", "responses"])
def test_no_end_is_made_up_for_a_stream_that_does_not_say_why_it_ended(client: str) -> None:
    stream = form(client, "chat").stream()
    stream.read(b'data: {"choices":[{"index":0,"delta":{"content":"A"}}]}\n\n')
    with pytest.raises(UpstreamTruncated):
        stream.read(b"data: [DONE]\n\n")


def test_tool_arguments_that_are_no_json_cannot_be_told_as_an_object() -> None:
    call = {"id": "t", "function": {"name": "f", "arguments": "[1"}}
    answer = {"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    with pytest.raises(ProviderError):
        form("messages", "chat").answer(msgspec.json.encode(answer))


@pytest.mark.parametrize("upstream", ["chat", "messages"])
def test_comments_of_an_upstream_reach_the_client_and_its_other_fields_do_not(upstream: str) -> None:
    client = "messages" if upstream == "chat" else "chat"
    assert form(client, upstream).stream().read(b": wait\n\n")[0] == b": wait\n\n"
    assert form(client, upstream).stream().read(b"retry: 5\n\n")[0] == b""


@pytest.mark.parametrize("operation", ["messages", "responses"])
def test_what_is_on_the_same_wire_passes_byte_by_byte(operation: str) -> None:
    made = form(operation, operation)
    body = b'{ "content":[], "x": 1.50 }'
    assert made.answer(body)[0] == body
    assert made.refusal(400, body) == body
    event = b'event: x\r\ndata: {"type":"x", "a": 1.50}\r\n\r\n'
    assert made.stream().read(event)[0] == event


def test_a_refusal_changes_its_envelope_and_keeps_its_words() -> None:
    theirs = b'{"type":"error","error":{"type":"invalid_request_error","message":"too hot"}}'
    assert msgspec.json.decode(form("chat", "messages").refusal(400, theirs))["error"]["message"] == "too hot"
    ours = b'{"error":{"message":"too hot","type":"x"}}'
    told = msgspec.json.decode(form("messages", "chat").refusal(404, ours))
    assert told == {"type": "error", "error": {"type": "not_found_error", "message": "too hot"}}
    assert b"answered 413" in form("messages", "chat").refusal(413, b"<html>")
    assert form("responses", "chat").refusal(400, ours) == ours


def test_who_answers_one_of_three_answers_all() -> None:
    assert answerable(("chat", "embeddings")) == ("chat", "embeddings", "messages", "responses")
    assert answerable(("messages",)) == ("chat", "messages", "responses")
    assert answerable(("chat", "responses")) == ("chat", "messages", "responses")
    assert answerable(("embeddings",)) == ("embeddings",)


@given(
    st.binary(max_size=80)
    | st.dictionaries(st.text(max_size=4), st.none() | st.text(max_size=4)).map(msgspec.json.encode)
)
def test_no_bytes_make_an_answer_fail_otherwise(body: bytes) -> None:
    for client in ("chat", "messages", "responses"):
        for upstream in ("chat", "messages"):
            made = form(client, upstream)
            with suppress(ProviderError):
                made.answer(body)
            with suppress(ProviderError):
                made.stream().read(b"data: " + body + b"\n\n")
            made.refusal(400, body)


def test_writers_can_be_asked_to_end_at_once() -> None:
    for writer in (as_messages.EventWriter(FACTS), as_responses.EventWriter(FACTS, as_responses.echo(ASKED))):
        with pytest.raises(UpstreamTruncated):
            writer.end()


@pytest.mark.parametrize(
    "odd",
    [
        {"usage": {"prompt_tokens": 3, "completion_tokens": 4, "prompt_cache_hit_tokens": 1}},
        {"x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 4, "cached_tokens": 1}}},
    ],
)
def test_counts_are_told_wherever_their_vendor_puts_them(odd: dict[str, Any]) -> None:
    body = msgspec.json.encode({"choices": [{"message": {"content": "A"}, "finish_reason": "stop"}], **odd})
    usage = msgspec.json.decode(form("messages", "chat").answer(body)[0])["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (2, 1, 4)
    chunk = msgspec.json.encode({"choices": [{"delta": {"content": "A"}, "finish_reason": "stop"}], **odd})
    events = named_events(through(form("messages", "chat"), [b"data: " + chunk + b"\n\n", b"data: [DONE]\n\n"]))
    assert events[-2][1]["usage"] == usage


def _piece(index: int | None, arguments: str, **named: Any) -> bytes:
    function = {"arguments": arguments, **({"name": named.pop("name")} if "name" in named else {})}
    call = {"index": index, "function": function, **named}
    chunk = {"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": None}]}
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


@pytest.mark.parametrize("client", ["messages", "responses"])
@pytest.mark.parametrize("index", [0, None])
@pytest.mark.parametrize("id_of_rest", [{}, {"id": "made up for every piece"}, {"id": "again", "name": ""}])
def test_calls_with_one_index_are_told_apart_by_id_and_name(
    client: str, index: int | None, id_of_rest: dict[str, str]
) -> None:
    pieces = [
        _piece(index, "", id="a", name="f"),
        _piece(index, '{"x":', **id_of_rest),
        _piece(index, "1}", **id_of_rest),
        _piece(index, '{"y":2}', id="b", name="g"),
        b'data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}\n\n',
        b"data: [DONE]\n\n",
    ]
    told = [data for _, data in named_events(through(form(client, "chat"), pieces))]
    if client == "responses":
        calls = [(item["call_id"], item["name"], item["arguments"]) for item in told[-1]["response"]["output"]]
    else:
        blocks = [data["content_block"] for data in told if data["type"] == "content_block_start"]
        deltas = [data for data in told if data["type"] == "content_block_delta"]
        said = ["".join(d["delta"]["partial_json"] for d in deltas if d["index"] == i) for i in range(len(blocks))]
        calls = [(block["id"], block["name"], words) for block, words in zip(blocks, said, strict=True)]
    assert calls == [("a", "f", '{"x":1}'), ("b", "g", '{"y":2}')]
