from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.contracts.ledger import Usage
from modelwright.core.wire.openai_ends import END, is_whole, read_recorded, usage_event


def event(**fields: Any) -> bytes:
    return b"data: " + msgspec.json.encode(fields) + b"\n\n"


def choice(reason: str | None = None, *, index: int = 0) -> dict[str, Any]:
    return {"index": index, "delta": {"content": "Hi"}, "finish_reason": reason}


def chunk(*choices: dict[str, Any]) -> bytes:
    return event(id="c1", object="chat.completion.chunk", created=5, model="m", choices=choices)


USAGE = event(choices=[], usage={"prompt_tokens": 3})
WHOLE = chunk(choice()) + chunk(choice("stop")) + USAGE + END


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "function_call"])
def test_an_answer_with_a_known_end_is_whole(reason: str) -> None:
    assert is_whole(msgspec.json.encode({"choices": [choice(reason), choice("stop", index=1)]}), limited=False)


@pytest.mark.parametrize("reason", [None, "", "length", "content_filter", "error", "insufficient_system_resource", 7])
def test_an_answer_without_one_is_not(reason: Any) -> None:
    body = {"choices": [choice("stop"), {**choice(index=1), "finish_reason": reason}]}
    assert not is_whole(msgspec.json.encode(body), limited=False)


def test_an_answer_that_the_requests_own_limit_ended_is_whole() -> None:
    body = msgspec.json.encode({"choices": [choice("length")]})
    assert is_whole(body, limited=True)
    assert not is_whole(body, limited=False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"choices":{}}',
        b'{"choices":[]}',
        b'{"data":[]}',
        b'{"choices":[{"finish_reason":"stop"}],"error":{"a":1}}',
        b'{"choices":[{"finish_reason":"stop"}]',
    ],
)
def test_what_is_no_answer_is_not_whole(body: bytes) -> None:
    assert not is_whole(body, limited=True)


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b'{"type":"message","content":[],"stop_reason":"end_turn"}', True),
        (b'{"type":"message","content":[],"stop_reason":"tool_use"}', True),
        (b'{"type":"message","content":[],"stop_reason":"max_tokens"}', True),
        (b'{"type":"message","content":[],"stop_reason":"refusal"}', False),
        (b'{"type":"message","content":[],"stop_reason":null}', False),
        (b'{"type":"error","error":{"type":"overloaded_error"}}', False),
        (b'{"object":"response","status":"completed","error":null}', True),
        (b'{"object":"response","status":"incomplete"}', False),
        (b'{"object":"response","status":"failed","error":{"code":"x"}}', False),
    ],
)
def test_the_other_wires_have_ends_of_their_own(body: bytes, whole: bool) -> None:  # noqa: FBT001
    assert is_whole(body, limited=False) == whole


def test_vectors_are_whole() -> None:
    assert is_whole(b'{"object":"list","data":[{"index":0,"embedding":[1.0]}]}', limited=False)


def test_a_stream_is_taken_apart() -> None:
    recorded = read_recorded(b": hello\n\n" + WHOLE, limited=False)
    assert recorded is not None
    assert recorded.events == chunk(choice()) + chunk(choice("stop"))
    assert (recorded.usage, recorded.chunks) == (USAGE, 2)
    assert event() != b""
    assert b"data: " + recorded.first + b"\n\n" == chunk(choice())


@given(st.integers(0, len(WHOLE) - 1))
def test_a_stream_that_was_cut_anywhere_is_not_whole(end: int) -> None:
    assert read_recorded(WHOLE[:end], limited=True) is None


@pytest.mark.parametrize(
    "stream",
    [
        chunk(choice()) + END,
        chunk(choice("content_filter")) + END,
        chunk(choice("length")) + END,
        chunk(choice("stop"), choice(index=1)) + END,
        chunk(choice("stop")) + event(error={"message": "no"}) + END,
        chunk(choice("stop")) + b"data: {]\n\n" + END,
        chunk(choice("stop")) + END + END,
        USAGE + END,
        END,
    ],
)
def test_a_stream_without_a_known_end_is_not_whole(stream: bytes) -> None:
    assert read_recorded(stream, limited=False) is None


def test_usage_is_told_in_the_words_of_its_stream() -> None:
    usage = Usage(input_tokens=3, output_tokens=4, cached_tokens=1, reasoning_tokens=0)
    first = chunk(choice()).removeprefix(b"data: ").rstrip()
    told = msgspec.json.decode(usage_event(first, usage).removeprefix(b"data: "))
    assert told == {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "m",
        "choices": [],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 4,
            "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 1},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
    assert usage_event(first, Usage(input_tokens=3)) == b""
