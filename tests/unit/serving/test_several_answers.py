"""Several answers of one request: `n`, lists of prompts, their streams, their places in the queue."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from tests.unit.serving.text_door import COMPLETIONS, Make, Told, ask, doors, post


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    async with doors() as made:
        yield made


def _texts(told: Told) -> dict[int, str]:
    """By choice, of a stream."""
    texts: dict[int, str] = {}
    for event in told.events[:-1]:
        for choice in event["choices"]:
            piece = choice["delta"].get("content", "") if "delta" in choice else choice["text"]
            texts[choice["index"]] = texts.get(choice["index"], "") + piece
    return texts


async def test_n_answers_come_of_one_prompt(make: Any) -> None:
    door = await make()
    told = await ask(door, "abc", n=3)
    assert [choice["index"] for choice in told.json["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in told.json["choices"]} == {"abc"}
    usage = told.json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (3, 9, 12)


async def test_n_answers_stream_beside_each_other_with_one_usage(make: Any) -> None:
    door = await make()
    told = await ask(door, "abc", n=3, stream=True, stream_options={"include_usage": True})
    assert _texts(told) == {0: "abc", 1: "abc", 2: "abc"}
    assert told.events[-2]["usage"]["completion_tokens"] == 9
    assert sum("usage" in event for event in told.events[:-1]) == 1
    ends = [choice for event in told.events[:-1] for choice in event["choices"] if choice["finish_reason"]]
    assert sorted((choice["index"], choice["finish_reason"]) for choice in ends) == [(n, "stop") for n in range(3)]
    first = {choice["index"]: choice["delta"].get("role") for choice in reversed(_choices(told))}
    assert first == dict.fromkeys(range(3), "assistant")


def _choices(told: Told) -> list[Any]:
    return [choice for event in told.events[:-1] for choice in event["choices"]]


async def test_n_beyond_the_places_waits_its_turn(make: Any) -> None:
    door = await make(max_sequences=2, queue=6)
    assert len((await ask(door, "abc", n=8)).json["choices"]) == 8


async def test_more_answers_than_can_ever_wait_are_malformed(make: Any) -> None:
    door = await make(max_sequences=2, queue=3)
    told = await ask(door, "abc", n=6)
    assert (told.status, told.json["error"]["param"]) == (400, "n")
    assert "at most 5" in told.json["error"]["message"]
    listed = await post(door, COMPLETIONS, msgspec.json.encode({"model": "toy", "prompt": ["a"] * 6}))
    assert (listed.status, listed.json["error"]["param"]) == (400, "prompt")


async def test_n_answers_are_queued_all_or_none(make: Any) -> None:
    door = await make(max_sequences=1, queue=3, delay=0.002)
    running = asyncio.ensure_future(ask(door, "0123456789"))
    await asyncio.sleep(0)
    refused = await ask(door, "abc", n=4)
    assert (refused.status, refused.headers[b"retry-after"]) == (429, b"1")
    assert door.busy().queued <= 1
    assert (await running).status == 200
    assert (await ask(door, "abc", n=4)).status == 200


async def test_one_of_n_that_stops_is_not_computed_further(make: Any) -> None:
    door = await make(max_sequences=2, queue=4)
    told = await post(
        door, COMPLETIONS, msgspec.json.encode({"model": "toy", "prompt": ["a.bcdefgh", "abcdefgh"], "stop": "."})
    )
    choices = told.json["choices"]
    assert [choice["text"] for choice in choices] == ["a", "abcdefgh"]
    assert told.json["usage"]["completion_tokens"] < 16, "of the first prompt no more was made than was read at once"


async def test_a_poison_among_n_fails_its_request_and_frees_the_others(make: Any) -> None:
    door = await make(poison=ord("!"), delay=0.001)
    told = await post(
        door, COMPLETIONS, msgspec.json.encode({"model": "toy", "prompt": ["x" * 500, "!"], "max_tokens": 500})
    )
    assert told.status == 500
    assert door.busy().queued == 0
    assert (await ask(door, "next")).status == 200


async def test_prompts_are_answered_in_their_order(make: Any) -> None:
    door = await make()
    told = await post(door, COMPLETIONS, msgspec.json.encode({"model": "toy", "prompt": ["ab", [99, 100]], "n": 2}))
    assert [choice["text"] for choice in told.json["choices"]] == ["ab", "ab", "cd", "cd"]
    assert told.json["usage"]["prompt_tokens"] == 4


@pytest.mark.parametrize("stream", [False, True])
async def test_echo_begins_with_the_prompt(make: Any, *, stream: bool) -> None:
    door = await make()
    body = {"model": "toy", "prompt": ["ab", [99, 100]], "echo": True, "stream": stream}
    told = await post(door, COMPLETIONS, msgspec.json.encode(body))
    texts = _texts(told) if stream else {choice["index"]: choice["text"] for choice in told.json["choices"]}
    assert texts == {0: "abab", 1: "cdcd"}


async def test_a_stop_token_ends_the_answer(make: Any) -> None:
    door = await make()
    choice = (await ask(door, "ab.cd", stop_token_ids=[ord(".")])).json["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("ab", "stop")
    told = await ask(door, "ab", stop_token_ids=[300])
    assert (told.status, told.json["error"]["param"]) == (400, "stop_token_ids")
