"""A text model behind its door, over the toy engine: answers, streams, stops, bounds, failures, clients that leave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from modelwright.adapters.engines.toy_text import ToyTextEngine, byte_codec
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import EngineConfig
from modelwright.core.wire.sse import EventSplitter, event_data
from modelwright.serving.http_openai import OpenAIDoor, TextBounds
from modelwright.serving.text.model import LONG_BODY

Door = Callable[..., Awaitable["Told"]]
CHAT = "/v1/chat/completions"


class Told:
    """What a client would have got."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.ended = False

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
            return
        self.body += message.get("body", b"")
        self.ended = not message.get("more_body", False)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def events(self) -> list[Any]:
        data = [event_data(event) for event in EventSplitter().push(self.body)]
        return [item.decode() if item == b"[DONE]" else msgspec.json.decode(item) for item in data]

    @property
    def text(self) -> str:
        return "".join(
            event["choices"][0]["delta"].get("content", "") for event in self.events[:-1] if event["choices"]
        )


async def _stays() -> dict[str, Any]:
    await asyncio.Event().wait()
    return {"type": "http.disconnect"}


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Awaitable[OpenAIDoor]]]:
    doors: list[OpenAIDoor] = []

    async def started(*, queue: int = 100, max_sequences: int = 4, check: bytes = b"", **options: Any) -> OpenAIDoor:
        door = OpenAIDoor(
            ToyTextEngine(),
            EngineConfig(model="toy", path="", options=options),
            codec=byte_codec,
            bounds=TextBounds(max_sequences=max_sequences, queue=queue, max_body=1 << 20),
            check=check,
            on_lost=lambda _error: None,
        )
        doors.append(door)
        await door.start()
        return door

    yield started
    for door in doors:
        await door.stop()


def _receiving(body: bytes, then: Any = _stays) -> Any:
    sent: list[bytes] = []

    async def receive() -> dict[str, Any]:
        if sent:
            return await then()
        sent.append(body)
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _post(door: OpenAIDoor, path: str, body: bytes, *, then: Any = _stays, method: str = "POST") -> Told:
    told = Told()
    scope = {"path": path, "method": method, "headers": [(b"content-length", b"%d" % len(body))]}
    await door.answer(scope, _receiving(body, then), told.send)
    return told


async def _ask(door: OpenAIDoor, content: str, *, path: str = CHAT, then: Any = _stays, **fields: Any) -> Told:
    prompt = {"messages": [{"role": "user", "content": content}]} if path == CHAT else {"prompt": content}
    return await _post(door, path, msgspec.json.encode({"model": "toy", **prompt, **fields}), then=then)


async def test_a_whole_answer(make: Any) -> None:
    door = await make()
    told = await _ask(door, "hello 世界")
    assert told.status == 200
    choice = told.json["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "hello 世界", "refusal": None}
    assert choice["finish_reason"] == "stop"
    usage = told.json["usage"]
    assert usage.pop("machine_us") > 0
    assert usage == {"prompt_tokens": 12, "completion_tokens": 12, "total_tokens": 24}


async def test_a_stream_joins_to_the_whole_answer(make: Any) -> None:
    door = await make()
    told = await _ask(door, "hello 世界", stream=True)
    assert told.headers[b"content-type"].startswith(b"text/event-stream")
    assert told.text == "hello 世界"
    assert told.events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert told.events[-2]["choices"][0]["finish_reason"] == "stop"
    assert told.events[-1] == "[DONE]"
    assert not any("usage" in event for event in told.events[:-1])
    assert len({event["id"] for event in told.events[:-1]}) == 1


async def test_usage_comes_last_when_asked_for(make: Any) -> None:
    door = await make()
    told = await _ask(door, "hey", stream=True, stream_options={"include_usage": True})
    assert told.events[-2]["choices"] == []
    assert told.events[-2]["usage"]["completion_tokens"] == 3


async def test_a_completion(make: Any) -> None:
    door = await make()
    told = await _ask(door, "to be", path="/v1/completions", logprobs=0)
    assert told.json["object"] == "text_completion"
    assert told.json["choices"][0]["text"] == "to be"
    assert told.json["choices"][0]["logprobs"]["text_offset"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stop_string_ends_the_answer_and_frees_the_engine(make: Any, *, stream: bool) -> None:
    door = await make()
    told = await _ask(door, "one, two, three", stop=", t", stream=stream)
    text = told.text if stream else told.json["choices"][0]["message"]["content"]
    assert text == "one"
    assert door.busy().in_flight == 0


async def test_max_tokens_ends_with_length(make: Any) -> None:
    door = await make()
    choice = (await _ask(door, "abcdef", max_tokens=3)).json["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("abc", "length")


async def test_logprobs_name_their_tokens(make: Any) -> None:
    door = await make()
    told = await _ask(door, "é", logprobs=True, top_logprobs=1)
    entries = told.json["choices"][0]["logprobs"]["content"]
    assert b"".join(bytes(entry["bytes"]) for entry in entries).decode() == "é"
    assert all(len(entry["top_logprobs"]) == 1 for entry in entries)


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
async def test_the_pieces_of_a_stream_hold_every_logprob_once(make: Any, path: str) -> None:
    door = await make()
    told = await _ask(door, "aé世!", path=path, stream=True, logprobs=True if path == CHAT else 0)
    found = [choice["logprobs"] for event in told.events[:-1] for choice in event["choices"] if choice["logprobs"]]
    if path == CHAT:
        assert b"".join(bytes(entry["bytes"]) for piece in found for entry in piece["content"]).decode() == "aé世!"
    else:
        assert [at for piece in found for at in piece["text_offset"]] == list(range(7))  # one per byte of the text


async def test_a_long_prompt_is_read_beside_the_loop(make: Any) -> None:
    door = await make(context=2 * LONG_BODY)
    told = await _ask(door, "x" * LONG_BODY, max_tokens=1)
    assert told.json["usage"]["prompt_tokens"] == LONG_BODY


async def test_what_can_never_fit_is_refused_before_it_is_tokenised(make: Any) -> None:
    door = await make(context=32)
    told = await _ask(door, "x" * 100_000)
    assert (told.status, told.json["error"]["code"]) == (400, "context_length_exceeded")
    assert "100000 bytes" in told.json["error"]["message"]


@pytest.mark.parametrize(("content", "max_tokens"), [("x" * 40, None), ("x" * 20, 20), ("x", 10**30)])
async def test_what_does_not_fit_is_told_with_the_numbers(make: Any, content: str, max_tokens: int | None) -> None:
    door = await make(context=32)
    told = await _ask(door, content, max_tokens=max_tokens)
    assert told.status == 400
    assert told.json["error"]["code"] == "context_length_exceeded"
    assert "32 tokens" in told.json["error"]["message"]


async def test_an_empty_prompt_is_malformed(make: Any) -> None:
    door = await make()
    told = await _ask(door, "")
    assert (told.status, told.json["error"]["code"]) == (400, "malformed")


async def test_a_token_outside_the_vocabulary_is_malformed(make: Any) -> None:
    door = await make()
    told = await _post(door, "/v1/completions", msgspec.json.encode({"model": "toy", "prompt": [1, 257]}))
    assert (told.status, told.json["error"]["param"]) == (400, "prompt")


async def test_another_path_is_named(make: Any) -> None:
    door = await make()
    assert (await _ask(door, "x", path="/v1/embeddings")).status == 404


async def test_one_poison_does_not_fail_its_neighbours(make: Any) -> None:
    door = await make(poison=ord("!"))
    answers = await asyncio.gather(*(_ask(door, f"good {n}" if n != 5 else "bad!") for n in range(12)))
    assert [told.status for told in answers] == [200] * 5 + [500] + [200] * 6
    assert answers[5].json["error"]["code"] == "engine_failed"


async def test_a_lost_engine_fails_what_runs_with_a_retryable_error(make: Any) -> None:
    door = await make(break_on=ord("!"))
    answers = await asyncio.gather(_ask(door, "a long good one that still runs"), _ask(door, "bad!"))
    assert {told.status for told in answers} == {503}
    assert all(told.headers[b"retry-after"] == b"1" for told in answers)


async def test_an_error_in_a_stream_is_an_event_without_done(make: Any) -> None:
    door = await make(break_on=ord("!"))
    told = await _ask(door, "ab!", stream=True)
    assert told.status == 200
    assert told.events[-1]["error"]["code"] == "model_unavailable"
    assert told.ended


async def test_more_than_may_wait_are_refused_at_once(make: Any) -> None:
    door = await make(queue=2, max_sequences=1, delay=0.002)
    answers = await asyncio.gather(*(_ask(door, "0123456789") for _ in range(20)))
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

    asking = asyncio.ensure_future(_ask(door, "x" * 900, stream=True, then=leaves))
    await asyncio.sleep(0)  # one turn of the loop: the request is in
    assert door.busy().in_flight == 1
    begun.set()
    told = await asking
    assert not told.ended
    assert door.busy().in_flight == 0
    assert (await _ask(door, "next")).status == 200


async def test_a_body_past_the_limit_is_refused(make: Any) -> None:
    door = await make()
    told = await _post(door, CHAT, b" " * ((1 << 20) + 1))
    assert (told.status, told.json["error"]["code"]) == (413, "too_large")


async def test_models_are_listed(make: Any) -> None:
    door = await make()
    assert (await _post(door, "/v1/models", b"", method="GET")).json["data"][0]["id"] == "toy"


async def test_before_it_is_loaded_the_door_answers_503() -> None:
    door = OpenAIDoor(
        ToyTextEngine(),
        EngineConfig(model="toy", path=""),
        codec=byte_codec,
        bounds=TextBounds(max_sequences=1, queue=1, max_body=1024),
        check=b"",
        on_lost=lambda _error: None,
    )
    told = await _ask(door, "early")
    assert (told.status, told.headers[b"retry-after"]) == (503, b"1")


async def test_a_check_that_is_not_answered_stops_the_start(make: Any) -> None:
    with pytest.raises(StartError, match="check request"):
        await make(context=4, check=b'{"messages":[{"role":"user","content":"longer than the context"}]}')


async def test_metrics_count_tokens(make: Any) -> None:
    door = await make()
    before = {sample.labels["direction"]: sample.value for sample in _tokens(door)}
    await _ask(door, "four")
    after = {sample.labels["direction"]: sample.value for sample in _tokens(door)}
    assert {name: after[name] - before[name] for name in after} == {"input": 4, "output": 4}


def _tokens(door: OpenAIDoor) -> list[Any]:
    return next(family.samples for family in door.collect() if family.name == "modelwright_serving_tokens")
