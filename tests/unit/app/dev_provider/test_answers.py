"""What the dev provider says, as clients of the OpenAI wire read it."""

import json
import math
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.app.dev_provider.answers import Answer, Ask, embeddings, text_of, vector
from modelwright.core.wire.sse import EventSplitter, event_data

MESSAGES = '[{"role":"user","content":"hi"}]'


def ask(**fields: object) -> Ask:
    return msgspec.json.decode(json.dumps({"model": "m", "messages": json.loads(MESSAGES), **fields}), type=Ask)


def events(answer: Answer) -> list[bytes]:
    stream = answer.opening() + b"".join(answer.events()) + answer.closing()
    return [event_data(event) for event in EventSplitter().push(stream)]


@given(st.integers(0, 40), st.none() | st.integers(0, 40))
def test_streamed_words_joined_are_the_whole_answer(tokens: int, limit: int | None) -> None:
    answer = Answer(ask(max_tokens=limit), chat=True, number=1, tokens=tokens)
    whole = json.loads(answer.whole())
    *chunks, done = events(answer)
    assert done == b"[DONE]"
    deltas = [json.loads(chunk)["choices"][0] for chunk in chunks]
    text = "".join(delta["delta"].get("content", "") for delta in deltas)
    assert text == whole["choices"][0]["message"]["content"] == text_of(answer.tokens)
    assert deltas[-1]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert len(deltas) == answer.tokens + 2
    assert answer.tokens == (tokens if limit is None else min(tokens, limit))


def test_usage_is_said_in_a_stream_only_when_asked_for() -> None:
    silent = events(Answer(ask(), chat=True, number=1, tokens=4))
    assert not [chunk for chunk in silent if b"usage" in chunk]
    telling = events(Answer(ask(stream_options={"include_usage": True}), chat=True, number=1, tokens=4))
    last = json.loads(telling[-2])
    assert last["choices"] == []
    assert last["usage"] == Answer(ask(), chat=True, number=1, tokens=4).usage()
    assert all(json.loads(chunk)["usage"] is None for chunk in telling[:-2])


def test_usage_counts_prompt_and_answer() -> None:
    usage = Answer(ask(), chat=True, number=1, tokens=9).usage()
    prompt = math.ceil(len(json.dumps(json.loads(MESSAGES))) / 4)
    assert usage == {
        "prompt_tokens": prompt,
        "completion_tokens": 9,
        "total_tokens": prompt + 9,
        "prompt_tokens_details": {"cached_tokens": prompt // 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }


def test_same_request_same_answer_and_another_question_another_fingerprint() -> None:
    one, same = (Answer(ask(), chat=True, number=1, tokens=3).whole() for _ in range(2))
    other = Answer(ask(messages=[{"role": "user", "content": "ho"}]), chat=True, number=1, tokens=3).whole()
    assert one == same
    assert json.loads(one)["system_fingerprint"] != json.loads(other)["system_fingerprint"]


def test_a_model_of_any_name_does_not_upset_the_stream() -> None:
    name = 'a"b\ufffe{}\n'
    chunks = events(Answer(ask(model=name), chat=True, number=1, tokens=2))[:-1]
    assert {json.loads(chunk)["model"] for chunk in chunks} == {name}


def test_completions() -> None:
    request = msgspec.json.decode(b'{"model":"m","prompt":"Say"}', type=Ask)
    answer = Answer(request, chat=False, number=1, tokens=3)
    *chunks, _ = events(answer)
    assert "".join(json.loads(chunk)["choices"][0]["text"] for chunk in chunks) == text_of(3)
    assert json.loads(answer.whole())["choices"][0]["text"] == text_of(3)
    assert json.loads(answer.whole())["object"] == "text_completion"


@given(st.binary(max_size=30), st.integers(1, 64))
def test_vectors_are_of_length_one_and_always_the_same(item: bytes, dimensions: int) -> None:
    values = struct.unpack(f"<{dimensions}f", vector(item, dimensions))
    assert vector(item, dimensions) == vector(item, dimensions)
    assert math.isclose(sum(value * value for value in values), 1.0, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("given", "rows"), [('"a"', 1), ('["a","b"]', 2), ("[1,2,3]", 1), ("[[1,2],[3]]", 2), ("[]", 0)]
)
def test_inputs_of_embeddings(given: str, rows: int) -> None:
    request = msgspec.json.decode(f'{{"model":"m","input":{given},"dimensions":4}}', type=Ask)
    data = json.loads(embeddings(request))["data"]
    assert [row["index"] for row in data] == list(range(rows))
    assert all(len(row["embedding"]) == 4 for row in data)


def test_embeddings_as_base64_are_the_same_numbers() -> None:
    plain, packed = (
        json.loads(embeddings(msgspec.json.decode(json.dumps({"model": "m", "input": "a", **form}), type=Ask)))
        for form in ({}, {"encoding_format": "base64"})
    )
    raw = msgspec.json.decode(json.dumps(packed["data"][0]["embedding"]), type=bytes)
    assert list(struct.unpack("<16f", raw)) == plain["data"][0]["embedding"]
