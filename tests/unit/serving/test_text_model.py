"""A text model behind its door, over the toy engine: answers, streams, stops, bounds, failures, clients that leave."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest

from modelwright.adapters.engines.toy_text import ToyTextEngine, byte_codec
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import EngineConfig
from modelwright.serving.http_openai import OpenAIDoor, TextBounds
from modelwright.serving.text.model import LONG_BODY
from tests.unit.serving.text_door import CHAT, Make, ask, doors, post


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    async with doors() as made:
        yield made


async def test_a_whole_answer(make: Any) -> None:
    door = await make()
    told = await ask(door, "hello 世界")
    assert told.status == 200
    choice = told.json["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "hello 世界", "refusal": None}
    assert choice["finish_reason"] == "stop"
    usage = told.json["usage"]
    assert usage.pop("machine_us") > 0
    assert usage == {"prompt_tokens": 12, "completion_tokens": 12, "total_tokens": 24}


async def test_a_stream_joins_to_the_whole_answer(make: Any) -> None:
    door = await make()
    told = await ask(door, "hello 世界", stream=True)
    assert told.headers[b"content-type"].startswith(b"text/event-stream")
    assert told.text == "hello 世界"
    assert told.events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert told.events[-2]["choices"][0]["finish_reason"] == "stop"
    assert told.events[-1] == "[DONE]"
    assert not any("usage" in event for event in told.events[:-1])
    assert len({event["id"] for event in told.events[:-1]}) == 1


async def test_usage_comes_last_when_asked_for(make: Any) -> None:
    door = await make()
    told = await ask(door, "hey", stream=True, stream_options={"include_usage": True})
    assert told.events[-2]["choices"] == []
    assert told.events[-2]["usage"]["completion_tokens"] == 3


async def test_a_completion(make: Any) -> None:
    door = await make()
    told = await ask(door, "to be", path="/v1/completions", logprobs=0)
    assert told.json["object"] == "text_completion"
    assert told.json["choices"][0]["text"] == "to be"
    assert told.json["choices"][0]["logprobs"]["text_offset"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stop_string_ends_the_answer_and_frees_the_engine(make: Any, *, stream: bool) -> None:
    door = await make()
    told = await ask(door, "one, two, three", stop=", t", stream=stream)
    text = told.text if stream else told.json["choices"][0]["message"]["content"]
    assert text == "one"
    assert door.busy().in_flight == 0


async def test_max_tokens_ends_with_length(make: Any) -> None:
    door = await make()
    choice = (await ask(door, "abcdef", max_tokens=3)).json["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("abc", "length")


async def test_logprobs_name_their_tokens(make: Any) -> None:
    door = await make()
    told = await ask(door, "é", logprobs=True, top_logprobs=1)
    entries = told.json["choices"][0]["logprobs"]["content"]
    assert b"".join(bytes(entry["bytes"]) for entry in entries).decode() == "é"
    assert all(len(entry["top_logprobs"]) == 1 for entry in entries)


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
async def test_the_pieces_of_a_stream_hold_every_logprob_once(make: Any, path: str) -> None:
    door = await make()
    told = await ask(door, "aé世!", path=path, stream=True, logprobs=True if path == CHAT else 0)
    found = [choice["logprobs"] for event in told.events[:-1] for choice in event["choices"] if choice["logprobs"]]
    if path == CHAT:
        assert b"".join(bytes(entry["bytes"]) for piece in found for entry in piece["content"]).decode() == "aé世!"
    else:
        assert [at for piece in found for at in piece["text_offset"]] == list(range(7))  # one per byte of the text


async def test_a_long_prompt_is_read_beside_the_loop(make: Any) -> None:
    door = await make(context=2 * LONG_BODY)
    told = await ask(door, "x" * LONG_BODY, max_tokens=1)
    assert told.json["usage"]["prompt_tokens"] == LONG_BODY


async def test_what_can_never_fit_is_refused_before_it_is_tokenised(make: Any) -> None:
    door = await make(context=32)
    told = await ask(door, "x" * 100_000)
    assert (told.status, told.json["error"]["code"]) == (400, "context_length_exceeded")
    assert "100000 bytes" in told.json["error"]["message"]


@pytest.mark.parametrize(("content", "max_tokens"), [("x" * 40, None), ("x" * 20, 20), ("x", 10**30)])
async def test_what_does_not_fit_is_told_with_the_numbers(make: Any, content: str, max_tokens: int | None) -> None:
    door = await make(context=32)
    told = await ask(door, content, max_tokens=max_tokens)
    assert told.status == 400
    assert told.json["error"]["code"] == "context_length_exceeded"
    assert "32 tokens" in told.json["error"]["message"]


async def test_an_empty_prompt_is_malformed(make: Any) -> None:
    door = await make()
    told = await ask(door, "")
    assert (told.status, told.json["error"]["code"]) == (400, "malformed")


async def test_a_token_outside_the_vocabulary_is_malformed(make: Any) -> None:
    door = await make()
    told = await post(door, "/v1/completions", msgspec.json.encode({"model": "toy", "prompt": [1, 257]}))
    assert (told.status, told.json["error"]["param"]) == (400, "prompt")


async def test_another_path_is_named(make: Any) -> None:
    door = await make()
    assert (await ask(door, "x", path="/v1/embeddings")).status == 404


async def test_one_poison_does_not_fail_its_neighbours(make: Any) -> None:
    door = await make(poison=ord("!"))
    answers = await asyncio.gather(*(ask(door, f"good {n}" if n != 5 else "bad!") for n in range(12)))
    assert [told.status for told in answers] == [200] * 5 + [500] + [200] * 6
    assert answers[5].json["error"]["code"] == "engine_failed"


async def test_a_lost_engine_fails_what_runs_with_a_retryable_error(make: Any) -> None:
    door = await make(break_on=ord("!"))
    answers = await asyncio.gather(ask(door, "a long good one that still runs"), ask(door, "bad!"))
    assert {told.status for told in answers} == {503}
    assert all(told.headers[b"retry-after"] == b"1" for told in answers)


async def test_an_error_in_a_stream_is_an_event_without_done(make: Any) -> None:
    door = await make(break_on=ord("!"))
    told = await ask(door, "ab!", stream=True)
    assert told.status == 200
    assert told.events[-1]["error"]["code"] == "model_unavailable"
    assert told.ended


async def test_more_than_may_wait_are_refused_at_once(make: Any) -> None:
    door = await make(queue=2, max_sequences=1, delay=0.002)
    answers = await asyncio.gather(*(ask(door, "0123456789") for _ in range(20)))
    statuses = [told.status for told in answers]
    assert set(statuses) == {200, 429}
    assert statuses.count(200) >= 2
    refused = next(told for told in answers if told.status == 429)
    assert refused.headers[b"retry-after"] == b"1"
    assert refused.json["error"]["code"] == "overloaded"


async def test_a_client_that_leaves_frees_its_place(make: Any) -> None:
    door = await make(delay=0.001)
    begun = asyncio.Event()

    async def leaves() -> dict[str, Any]:
        await begun.wait()
        return {"type": "http.disconnect"}

    asking = asyncio.ensure_future(ask(door, "x" * 900, stream=True, then=leaves))
    await asyncio.sleep(0)  # one turn of the loop: the request is in
    assert door.busy().in_flight == 1
    begun.set()
    told = await asking
    assert not told.ended
    assert door.busy().in_flight == 0
    assert (await ask(door, "next")).status == 200


async def test_a_body_past_the_limit_is_refused(make: Any) -> None:
    door = await make()
    told = await post(door, CHAT, b" " * ((1 << 20) + 1))
    assert (told.status, told.json["error"]["code"]) == (413, "too_large")


async def test_models_are_listed(make: Any) -> None:
    door = await make()
    assert (await post(door, "/v1/models", b"", method="GET")).json["data"][0]["id"] == "toy"


async def test_before_it_is_loaded_the_door_answers_503() -> None:
    door = OpenAIDoor(
        ToyTextEngine(),
        EngineConfig(model="toy", path=""),
        codec=byte_codec,
        bounds=TextBounds(max_sequences=1, queue=1, max_body=1024),
        check=b"",
        on_lost=lambda _error: None,
    )
    told = await ask(door, "early")
    assert (told.status, told.headers[b"retry-after"]) == (503, b"1")


async def test_a_check_that_is_not_answered_stops_the_start(make: Any) -> None:
    with pytest.raises(StartError, match="check request"):
        await make(context=4, check=b'{"messages":[{"role":"user","content":"longer than the context"}]}')


async def test_metrics_count_tokens(make: Any) -> None:
    door = await make()
    before = {sample.labels["direction"]: sample.value for sample in _tokens(door)}
    await ask(door, "four")
    after = {sample.labels["direction"]: sample.value for sample in _tokens(door)}
    assert {name: after[name] - before[name] for name in after} == {"input": 4, "output": 4}


async def test_metrics_tell_times_and_what_is_under_way(make: Any) -> None:
    door = await make(delay=0.001, max_sequences=2, queue=10)
    before = _count(door, "first_token_seconds")
    asking = [asyncio.ensure_future(ask(door, "x" * 900)) for _ in range(3)]
    await _until(lambda: _value(door, "sequences", state="running") == 2 and _value(door, "kv_usage_ratio") > 0)
    assert _value(door, "sequences", state="waiting") == 1
    for one in asking:
        one.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    assert _value(door, "sequences", state="running") == 0
    assert (await ask(door, "four")).status == 200
    assert _count(door, "first_token_seconds") > before
    assert _count(door, "token_seconds") >= 1
    assert _value(door, "abandoned") == 3
    assert _value(door, "kv_usage_ratio") == 0


async def _until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        for _ in itertools.takewhile(lambda _: not seen(), itertools.count()):
            await asyncio.sleep(0.001)


def _samples(door: OpenAIDoor, name: str) -> list[Any]:
    return next(family.samples for family in door.collect() if family.name == f"modelwright_serving_{name}")


def _value(door: OpenAIDoor, name: str, **labels: str) -> float:
    return next(sample.value for sample in _samples(door, name) if labels.items() <= sample.labels.items())


def _count(door: OpenAIDoor, name: str) -> float:
    return next(sample.value for sample in _samples(door, name) if sample.name.endswith("_count"))


def _tokens(door: OpenAIDoor) -> list[Any]:
    return _samples(door, "tokens")
