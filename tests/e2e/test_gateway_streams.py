"""Streams through a real gateway worker, with every way in which an upstream or a client can break them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import msgspec
import pytest

from modelwright.app.dev_provider.answers import text_of as words
from tests.contracts.asgi_server import Wire
from tests.e2e.clients import patient
from tests.e2e.gateway_site import (
    PATIENT,
    QUESTION,
    DevProvider,
    GatewayWorker,
    chat_endpoint,
    events,
    head_of,
    snapshot,
    text_of,
)

pytestmark = pytest.mark.e2e
TOKENS = 8


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider("--tokens", str(TOKENS)) as running:
        yield running


@pytest.fixture(scope="module")
def worker(provider: DevProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    with GatewayWorker(tmp_path_factory.mktemp("gateway"), snapshot(provider.base_url)) as running:
        yield running


@pytest.fixture
def endless(provider: DevProvider, worker: GatewayWorker) -> Iterator[DevProvider]:
    """In place of the provider: one whose streams go on and on."""
    entry = worker.latest.providers[0]
    with DevProvider("--tokens", "100000", "--delay", "5ms") as running:
        worker.change(providers=(msgspec.structs.replace(entry, base_urls=(running.base_url,)),))
        yield running
        patient(lambda: worker.busy().in_flight == 0)
    worker.change(providers=(msgspec.structs.replace(entry, base_urls=(provider.base_url,)),))


@pytest.fixture(autouse=True)
def fresh(provider: DevProvider, worker: GatewayWorker) -> Iterator[None]:
    worker.restore()
    provider.fails()
    worker.forget()
    yield
    patient(lambda: worker.busy().in_flight == 0, waiting_for="every place to be free")


def test_a_stream_is_whole_and_its_usage_is_written_down_but_not_shown(
    provider: DevProvider, worker: GatewayWorker
) -> None:
    status, headers, body = worker.stream()
    assert status == 200
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["x-modelwright-variant"] == "main"
    assert text_of(body) == words(TOKENS)
    assert events(body)[-1] == "[DONE]"
    assert not [event for event in events(body)[:-1] if event.get("usage")]
    row = worker.row(headers["x-modelwright-call"])
    assert (row.outcome, row.status, row.stream, row.output_tokens) == ("ok", 200, True, TOKENS)
    assert row.input_tokens
    assert row.cached_tokens is not None
    assert row.chunks == len(events(body)) - 1
    assert row.first_token_ms is not None
    assert 0 < row.first_token_ms < row.latency_ms
    (request,) = provider.requests
    assert request["body"]["stream_options"] == {"include_usage": True}


def test_a_client_that_asks_for_usage_gets_it(provider: DevProvider, worker: GatewayWorker) -> None:
    _, headers, body = worker.stream({**QUESTION, "stream_options": {"include_usage": True, "x": 1}})
    (last,) = [event for event in events(body)[:-1] if event.get("usage")]
    assert last["choices"] == []
    assert worker.row(headers["x-modelwright-call"]).output_tokens == last["usage"]["completion_tokens"]
    (request,) = provider.requests
    assert request["body"]["stream_options"] == {"include_usage": True, "x": 1}


def test_stream_and_whole_answer_are_counted_alike(worker: GatewayWorker) -> None:
    whole = worker.row(worker.post().headers["x-modelwright-call"])
    streamed = worker.row(worker.stream()[1]["x-modelwright-call"])
    for field in ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "outcome", "status"):
        assert getattr(whole, field) == getattr(streamed, field)


@pytest.mark.parametrize("tokens", [1, 3, 6])
def test_events_arrive_as_they_are_sent(provider: DevProvider, worker: GatewayWorker, tokens: int) -> None:
    provider.fails(f"hold@{tokens}")
    with worker.streaming() as wire:
        wire.head()
        chunks, body = wire.chunks(), b""
        while text_of(body) != words(tokens):
            body += next(chunks)
        assert not provider.requests[0]["finished"], "it came before the upstream had said all"
        provider.release()
        assert text_of(body + b"".join(chunks)) == words(TOKENS)


@pytest.mark.parametrize("fault", ["split@1", "split@3", "split@17", "lump"])
def test_however_the_bytes_arrive_the_stream_is_the_same(
    provider: DevProvider, worker: GatewayWorker, fault: str
) -> None:
    provider.fails(fault)
    _, headers, body = worker.stream()
    assert text_of(body) == words(TOKENS)
    assert events(body)[-1] == "[DONE]"
    assert worker.row(headers["x-modelwright-call"]).output_tokens == TOKENS


BEFORE = [
    ("cut@0", 502, "upstream_truncated"),
    ("stall@0", 504, "provider_timeout"),
    ("error@0", 502, "provider_error"),
    ("slow@60s", 504, "provider_timeout"),
    ("refuse", 502, "provider_unreachable"),
    ("garbage", 502, "provider_error"),
    ("empty", 502, "provider_error"),
    ("500", 502, "provider_error"),
    ("503", 502, "provider_error"),
    ("401", 502, "provider_auth"),
    ("403", 502, "provider_auth"),
    ("429@7s", 429, "provider_rate_limited"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("fault", "status", "code"), BEFORE, ids=[fault for fault, _, _ in BEFORE])
def test_before_anything_was_sent_a_failure_has_its_status(
    provider: DevProvider, worker: GatewayWorker, fault: str, status: int, code: str, *, stream: bool
) -> None:
    if fault == "stall@0" and not stream:
        code = "upstream_stalled"  # a whole answer has no first token: its body stopped
        worker.change(endpoints=(chat_endpoint(timeouts=msgspec.structs.replace(PATIENT, idle=0.6)),))
    elif status == 504:
        worker.change(endpoints=(chat_endpoint(timeouts=msgspec.structs.replace(PATIENT, first_token=0.6)),))
    provider.fails(fault)
    answer = worker.post({**QUESTION, "stream": stream})
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-modelwright-variant"] == "main"
    if status == 429:
        assert answer.headers["retry-after"] == "7"
    row = worker.only_row()
    assert (row.outcome, row.error, row.status, row.attempts) == (code, code, status, 1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_the_provider_says_of_the_request_passes(
    provider: DevProvider, worker: GatewayWorker, status: int, *, stream: bool
) -> None:
    provider.fails(str(status))
    answer = worker.post({**QUESTION, "stream": stream})
    assert answer.status == status
    assert "error" in answer.json()
    row = worker.only_row()
    assert (row.outcome, row.status) == ("provider_refused", status)


@pytest.mark.parametrize(
    ("fault", "code"),
    [("cut@3", "upstream_truncated"), ("stall@3", "upstream_stalled"), ("error@3", "provider_error")],
)
def test_after_the_first_content_a_failure_is_an_event_and_no_end_is_made_up(
    provider: DevProvider, worker: GatewayWorker, fault: str, code: str
) -> None:
    worker.change(endpoints=(chat_endpoint(timeouts=msgspec.structs.replace(PATIENT, idle=1.5)),))
    provider.fails(fault)
    status, headers, body = worker.stream()
    assert status == 200
    *content, last = events(body)
    assert last["error"]["code"] == code
    assert "[DONE]" not in content
    assert not [event for event in content if event["choices"] and event["choices"][0]["finish_reason"]]
    assert text_of(body) == words(3)
    row = worker.row(headers["x-modelwright-call"])
    assert (row.outcome, row.error, row.status) == (code, code, 200)
    assert row.chunks >= 3


def test_a_stream_that_takes_too_long_in_all_is_ended(endless: DevProvider, worker: GatewayWorker) -> None:
    worker.change(endpoints=(chat_endpoint(timeouts=msgspec.structs.replace(PATIENT, total=2.0)),))
    _, headers, body = worker.stream()
    assert events(body)[-1]["error"]["code"] == "provider_timeout"
    row = worker.row(headers["x-modelwright-call"])
    assert (row.outcome, row.status) == ("provider_timeout", 200)
    patient(lambda: endless.requests[0]["client_gone"])


def test_a_client_that_leaves_closes_the_upstream_at_once(endless: DevProvider, worker: GatewayWorker) -> None:
    with worker.streaming() as wire:
        _, headers = wire.head()
        chunks, body = wire.chunks(), b""
        while len(events(body)) <= 5:
            body += next(chunks)
    patient(lambda: endless.requests[0]["client_gone"], waiting_for="the upstream, which has minutes to go, to be left")
    row = worker.row(headers["x-modelwright-call"])
    assert (row.outcome, row.error, row.status) == ("client_disconnect", "client_disconnect", 200)
    assert row.chunks > 3
    assert row.bytes_out > 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_client_that_leaves_while_nothing_has_come_closes_the_upstream_too(
    provider: DevProvider, worker: GatewayWorker, *, stream: bool
) -> None:
    provider.fails("hold")
    body = json.dumps({**QUESTION, "stream": stream}).encode()
    with Wire(worker.port) as wire:
        wire.send(head_of(length=len(body)) + body)
        patient(lambda: bool(provider.requests))
    patient(lambda: provider.requests[0]["client_gone"])
    row = worker.only_row()
    assert (row.outcome, row.status, row.chunks) == ("client_disconnect", 499, 0)


def test_a_client_that_does_not_read_holds_the_upstream_back(worker: GatewayWorker) -> None:
    with DevProvider("--delay", "0ms", "--tokens", "100000") as fast:
        entry = msgspec.structs.replace(worker.latest.providers[0], base_urls=(fast.base_url,))
        worker.change(providers=(entry,), endpoints=(chat_endpoint(timeouts=PATIENT),))
        before = worker.busy().memory_mb
        with worker.streaming() as wire:
            call = wire.head()[1]["x-modelwright-call"]
            held = held_back(fast)
            assert 0 < held < 100_000
            assert worker.busy().memory_mb - before < 20
        patient(lambda: fast.requests[0]["client_gone"])
        assert worker.row(call).outcome == "client_disconnect"
        for cause in ({"idle": 2.0}, {"total": 3.0}):
            timeouts = msgspec.structs.replace(PATIENT, **cause)
            worker.change(endpoints=(chat_endpoint(timeouts=timeouts),))
            with worker.streaming() as wire:
                row = worker.row(wire.head()[1]["x-modelwright-call"])
                assert (row.outcome, row.status) == ("client_disconnect", 200), "the upstream is not to blame"


def held_back(provider: DevProvider) -> int:
    """Tokens that its last answer has sent, as soon as they are not more half a second later."""
    counts = [-1]

    def stands_still() -> bool:
        time.sleep(0.5)
        counts.append(provider.requests[-1]["tokens"])
        return counts[-1] == counts[-2]

    patient(stands_still, waiting_for="the upstream to be held back")
    return counts[-1]


def test_a_thousand_streams_that_break_off_leave_nothing_behind(endless: DevProvider, worker: GatewayWorker) -> None:
    beats: list[float] = []
    stop = threading.Event()

    def feel_the_pulse() -> None:
        while not stop.wait(0.02):
            began = time.monotonic()
            assert worker.ask("GET", "/healthz").status == 200
            beats.append(time.monotonic() - began)

    pulse = threading.Thread(target=feel_the_pulse)
    pulse.start()
    for _ in range(20):
        wires = [_begun(worker) for _ in range(50)]
        for number, wire in enumerate(wires):
            if number % 2:
                wire.head()
            wire.socket.close()
    stop.set()
    pulse.join()
    patient(lambda: worker.busy().in_flight == 0)
    patient(lambda: len(worker.outcomes()) == 1000, waiting_for="a thousand rows")
    assert {row.outcome for row in worker.outcomes()} == {"client_disconnect"}
    patient(lambda: endless.seen()["open_connections"] < 10)
    few = {**QUESTION, "max_tokens": 3}
    assert all(events(worker.stream(few)[2])[-1] == "[DONE]" for _ in range(100))
    assert all(worker.post().status == 200 for _ in range(20))
    assert worker.busy().connections < 200
    assert beats


def test_completions_stream_too(worker: GatewayWorker) -> None:
    status, _, body = worker.stream({"model": "chat", "prompt": "Hello"}, path="/v1/completions")
    assert status == 200
    assert events(body)[-1] == "[DONE]"
    assert "".join(event["choices"][0]["text"] for event in events(body)[:-1]) == words(TOKENS)


def _begun(worker: GatewayWorker) -> Wire:
    wire = Wire(worker.port)
    body = json.dumps({**QUESTION, "stream": True}).encode()
    wire.send(head_of(length=len(body)) + body)
    return wire
