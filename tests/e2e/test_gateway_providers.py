"""Providers behind a real gateway worker: keys, secrets, connections, shares, and many that fail at once."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelwright.core.contracts.snapshot import Endpoint, Variant
from modelwright.core.split import choose, position
from tests.e2e.clients import patient
from tests.e2e.echo import Echo
from tests.e2e.gateway_site import (
    KEY,
    PROVIDER_KEY,
    QUESTION,
    DevProvider,
    GatewayWorker,
    chat_endpoint,
    remote,
    snapshot,
)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider() as running:
        yield running


@pytest.fixture(scope="module")
def worker(provider: DevProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    with GatewayWorker(tmp_path_factory.mktemp("gateway"), snapshot(provider.base_url)) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(provider: DevProvider, worker: GatewayWorker) -> None:
    worker.restore()
    provider.fails()
    worker.forget()


def test_the_key_reaches_the_provider_and_nobody_else(provider: DevProvider, worker: GatewayWorker) -> None:
    answers = [worker.post(), worker.post({**QUESTION, "stream": True})]
    for status in (200, 400, 401, 404, 422, 429, 500, 503):
        with Echo(status) as echo:
            worker.change(providers=(remote(echo.base_url),))
            answers += [worker.post(), worker.post({**QUESTION, "stream": True})]
    for status in (400, 401, 429, 500):
        with Echo(status, as_event=True) as echo:
            worker.change(providers=(remote(echo.base_url),))
            answers.append(worker.post({**QUESTION, "stream": True}))
    worker.change(providers=(remote(provider.base_url),))
    assert provider.seen(secrets=True)["requests"][0]["headers"]["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert len(answers) == 22
    told = b"".join(answer.body + str(answer.headers).encode() for answer in answers)
    kept = b"".join(path.read_bytes() for path in worker.spool.glob("*"))
    patient(lambda: len(worker.logged()) > 22)
    for place in (told, kept, worker.log.read_bytes(), worker.metrics().encode(), worker.own("GET", "/status").body):
        assert PROVIDER_KEY.encode() not in place
        assert KEY.encode() not in place
    assert b"hold a secret" in told


@pytest.mark.parametrize(("status", "expected"), [(401, 502), (429, 429), (500, 502), (400, 400)])
def test_an_error_event_before_any_content_has_the_status_it_stands_for(
    provider: DevProvider, worker: GatewayWorker, status: int, expected: int
) -> None:
    with Echo(status, as_event=True) as echo:
        worker.change(providers=(remote(echo.base_url, keys=()),))
        assert worker.post({**QUESTION, "stream": True}).status == expected
    worker.change(providers=(remote(provider.base_url),))


def test_several_keys_take_turns(provider: DevProvider, worker: GatewayWorker) -> None:
    worker.change(providers=(remote(provider.base_url, keys=("first", "second", "third")),))
    for _ in range(6):
        assert worker.post().status == 200
    used = [request["headers"]["authorization"] for request in provider.seen(secrets=True)["requests"]]
    assert used == [f"Bearer {key}" for key in ("first", "second", "third")] * 2
    worker.change(providers=(remote(provider.base_url),))


def test_a_key_that_no_header_can_carry_turns_its_provider_off(provider: DevProvider, worker: GatewayWorker) -> None:
    worker.change(providers=(remote(provider.base_url, keys=("bad\r\nkey: 1",)),))
    answer = worker.post()
    assert (answer.status, answer.json()["error"]["code"]) == (503, "provider_off")
    assert "bad" not in answer.body.decode()
    worker.change(providers=(remote(provider.base_url),))


def test_calls_share_connections(provider: DevProvider, worker: GatewayWorker) -> None:
    worker.post()
    before = provider.seen()["connections"]
    for _ in range(20):
        assert worker.post().status == 200
        assert worker.stream()[0] == 200
    assert provider.seen()["connections"] == before + 1  # this question's own
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status for answer in pool.map(lambda _: worker.post(), range(200))} == {200}
    assert provider.seen()["connections"] <= before + 10
    assert worker.busy().connections <= 9


def test_a_provider_that_is_gone_is_502_at_once_and_back_when_it_is_back(worker: GatewayWorker) -> None:
    entry = worker.latest.providers[0]
    with socket.socket() as deaf:  # nobody else gets its port, and nobody listens
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        worker.change(providers=(remote(f"http://127.0.0.1:{port}/v1"),))
        answer = worker.post()
    assert (answer.status, answer.json()["error"]["code"]) == (502, "provider_unreachable")
    assert str(port) not in answer.body.decode()
    worker.change(providers=(entry,))
    assert worker.post().status == 200


def test_one_provider_that_hangs_does_not_hold_up_the_others(provider: DevProvider, worker: GatewayWorker) -> None:
    with DevProvider("--fault", "hold") as hung:
        worker.change(
            endpoints=(chat_endpoint(), chat_endpoint(provider="hung", name="hung")),
            providers=(remote(provider.base_url), remote(hung.base_url, name="hung")),
        )
        with ThreadPoolExecutor(120) as pool:
            slow = [pool.submit(worker.post, {**QUESTION, "model": "hung"}) for _ in range(100)]
            patient(lambda: worker.busy().in_flight >= 100)
            assert all(worker.post().status == 200 for _ in range(50))
            hung.release()
            assert {answer.result().status for answer in slow} == {200}
    worker.change(endpoints=(chat_endpoint(),), providers=(remote(provider.base_url),))


def test_shares_follow_the_subject_and_nothing_else(provider: DevProvider, worker: GatewayWorker) -> None:
    variants = tuple(
        Variant(name=name, provider="dev", model=name, weight=weight) for name, weight in (("a", 75), ("b", 25))
    )
    split = Endpoint(name="split", operations=("chat",), variants=variants, split_by="user", split_header="X-User-Id")
    worker.change(endpoints=(chat_endpoint(), split))
    seen: Counter[str] = Counter()
    for number in range(200):
        user = f"u{number}"
        answer = worker.post({**QUESTION, "model": "split"}, x_user_id=user)
        variant = answer.headers["x-modelwright-variant"]
        assert variant == variants[choose((75, 25), position(b"\0" * 16, "split", user))].name
        seen[variant] += 1
    assert 20 <= seen["b"] <= 80
    by_field = {worker.post({**QUESTION, "model": "split", "user": "u7"}).headers["x-modelwright-variant"]}
    by_header = {worker.post({**QUESTION, "model": "split"}, x_user_id="u7").headers["x-modelwright-variant"]}
    assert by_field == by_header
    assert len({worker.post({**QUESTION, "model": "split"}).headers["x-modelwright-variant"] for _ in range(5)}) == 1
    assert {row.variant for row in worker.outcomes()} == {"a", "b"}
    assert {request["body"]["model"] for request in provider.requests} == {"a", "b"}


def test_a_stream_answered_whole_is_passed_on_whole(worker: GatewayWorker, provider: DevProvider) -> None:
    body = b'{"object":"chat.completion","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        pool.submit(_answer_once, server, head + body)
        worker.change(providers=(remote(f"http://127.0.0.1:{server.getsockname()[1]}/v1"),))
        answer = worker.post({**QUESTION, "stream": True})
    assert answer.json()["object"] == "chat.completion"
    assert worker.row(answer.headers["x-modelwright-call"]).output_tokens == 4
    worker.change(providers=(remote(provider.base_url),))


@pytest.mark.parametrize("junk", [b"", b"<html>login</html>", b"[]", b"null", b'{"cut":'])
def test_an_answer_that_is_none_is_a_provider_error(worker: GatewayWorker, provider: DevProvider, junk: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(junk)
        pool.submit(_answer_once, server, head + junk)
        worker.change(providers=(remote(f"http://127.0.0.1:{server.getsockname()[1]}/v1"),))
        answer = worker.post()
    assert (answer.status, answer.json()["error"]["code"]) == (502, "provider_error")
    worker.change(providers=(remote(provider.base_url),))


def test_a_comment_before_the_content_does_not_commit_us(worker: GatewayWorker, provider: DevProvider) -> None:
    role = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
    error = b'data: {"error":{"message":"busy","code":429}}\n\n'
    body = b": PROCESSING\n\n" + role + b": PROCESSING\n\n" + error
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        pool.submit(_answer_once, server, head + body)
        worker.change(providers=(remote(f"http://127.0.0.1:{server.getsockname()[1]}/v1"),))
        answer = worker.post({**QUESTION, "stream": True})
    assert (answer.status, answer.json()["error"]["code"]) == (429, "provider_rate_limited")
    worker.change(providers=(remote(provider.base_url),))


def test_an_end_of_line_of_another_system_is_understood(worker: GatewayWorker, provider: DevProvider) -> None:
    content = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\r\n\r\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}\r\n\r\n'
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
        pool.submit(_answer_once, server, head + content + usage + b"data: [DONE]\r\n\r\n")
        worker.change(providers=(remote(f"http://127.0.0.1:{server.getsockname()[1]}/v1"),))
        _, headers, body = worker.stream()
    assert body == content + b"data: [DONE]\r\n\r\n"
    assert worker.row(headers["x-modelwright-call"]).output_tokens == 2
    worker.change(providers=(remote(provider.base_url),))


def _answer_once(server: socket.socket, answer: bytes) -> None:
    client, _ = server.accept()
    with client:
        client.settimeout(5)
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += client.recv(65536)
        client.sendall(answer)
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
