"""Calls through a real gateway worker: what passes untouched, what is refused and how, and what the ledger says."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import msgspec
import pytest

from modelwright.core.contracts.snapshot import Endpoint, Variant
from tests.contracts.asgi_server import Wire
from tests.e2e.clients import patient
from tests.e2e.gateway_site import (
    CHAT,
    KEY,
    KEY_ID,
    PROVIDER_KEY,
    QUESTION,
    DevProvider,
    GatewayWorker,
    chat_endpoint,
    head_of,
    key,
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


def test_a_call_is_answered_and_written_down(provider: DevProvider, worker: GatewayWorker) -> None:
    answer = worker.post(x_request_id="mine-1", x_modelwright_tags="task=sum, team=tests")
    assert answer.status == 200
    assert answer.json()["object"] == "chat.completion"
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.headers["x-modelwright-variant"] == "main"
    row = worker.row(answer.headers["x-modelwright-call"])
    usage = answer.json()["usage"]
    assert (row.outcome, row.status, row.attempts) == ("ok", 200, 1)
    assert (row.input_tokens, row.output_tokens) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert row.cached_tokens == usage["prompt_tokens_details"]["cached_tokens"]
    assert row.reasoning_tokens == usage["completion_tokens_details"]["reasoning_tokens"]
    assert (row.key, row.tenant, row.endpoint, row.variant) == (KEY_ID, "tests", "chat", "main")
    assert (row.provider, row.model, row.release) == ("dev", "vendor-model", "sha256:release")
    assert (row.request_id, row.tags) == ("mine-1", {"task": "sum", "team": "tests"})
    assert row.bytes_out == len(answer.body)
    assert row.latency_ms > 0
    intents = [line for line in worker.lines() if line.call == row.call]
    assert [line.outcome for line in intents] == ["intent", "ok"]
    (request,) = provider.seen(secrets=True)["requests"]
    assert request["headers"]["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert request["body"] == {**QUESTION, "model": "vendor-model"}


def test_a_repeated_request_id_is_another_call(worker: GatewayWorker) -> None:
    calls = {worker.post(x_request_id="again").headers["x-modelwright-call"] for _ in range(3)}
    assert len(calls) == 3
    patient(lambda: {row.call for row in worker.outcomes()} == calls, waiting_for="three rows")
    assert len(worker.outcomes()) == 3


def test_bytes_pass_untouched_when_nothing_must_change(provider: DevProvider, worker: GatewayWorker) -> None:
    same = Endpoint(name="same", operations=("chat",), variants=(Variant(name="main", provider="dev", model="same"),))
    worker.change(endpoints=(chat_endpoint(), same))
    body = b'{ "model" : "same",\n "x": 1e400, "messages":[{"role":"user","content":"\\u00fc \xc3\xbc"}] }'
    assert worker.post(body).status == 200
    (request,) = provider.requests
    assert int(request["headers"]["content-length"]) == len(body)


@pytest.mark.parametrize("second", [b'"model":"other"', b'"mod\\u0065l":"other"'])
def test_a_second_model_name_reaches_nobody(provider: DevProvider, worker: GatewayWorker, second: bytes) -> None:
    same = Endpoint(name="same", operations=("chat",), variants=(Variant(name="main", provider="dev", model="same"),))
    worker.change(endpoints=(chat_endpoint(), same))
    assert worker.post(b"{" + second + b',"messages":[],"model":"same"}').status == 200
    (request,) = provider.requests
    assert request["body"] == {"model": "same", "messages": []}


@pytest.mark.parametrize("scheme", ["Authorization: Bearer ", "authorization: bearer ", "X-API-Key: "])
def test_a_key_may_be_sent_in_three_ways(worker: GatewayWorker, scheme: str) -> None:
    name, _, prefix = scheme.partition(": ")
    answer = worker.ask("POST", CHAT, json.dumps(QUESTION).encode(), headers={name: prefix + KEY})
    assert answer.status == 200


def test_curl_without_a_json_content_type_is_understood(provider: DevProvider, worker: GatewayWorker) -> None:
    assert worker.post(content_type="application/x-www-form-urlencoded").status == 200
    (request,) = provider.requests
    assert request["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "no API key was sent"),
        ({"Authorization": "Bearer mw-wrong-key"}, "not known or was revoked"),
        ({"Authorization": f"Basic {KEY}"}, "no API key was sent"),
        ({"X-API-Key": KEY[:-1]}, "not known or was revoked"),
    ],
)
def test_a_stranger_is_refused_before_anything_is_read(
    provider: DevProvider, worker: GatewayWorker, headers: dict[str, str], message: str
) -> None:
    answer = worker.ask("POST", CHAT, b"x" * 100_000, headers=headers)
    assert answer.status == 401
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == ("unauthenticated", "authentication_error")
    assert message in error["message"]
    assert "www-authenticate" in answer.headers
    assert KEY not in answer.body.decode()
    assert worker.outcomes() == []
    assert provider.requests == []


def test_expired_and_admin_keys_open_nothing(worker: GatewayWorker) -> None:
    late, expired = key(1, expires=time.time() - 1)
    chief, admin = key(2, role="admin")
    soon, brief = key(3, expires=time.time() + 600)
    worker.change(keys=(*worker.latest.keys, expired, admin, brief))
    assert worker.post(secret=soon).status == 200
    assert worker.post(secret=late).status == 401
    assert worker.post(secret=chief).json()["error"]["code"] == "forbidden"
    worker.change(keys=(*worker.latest.keys[:-1], msgspec.structs.replace(brief, expires=time.time() + 0.5)))
    patient(lambda: worker.post(secret=soon).status == 401)


CLEAR: list[tuple[bytes, int, str]] = [
    (b"", 400, "malformed"),
    (b"not json", 400, "malformed"),
    (b"[]", 400, "malformed"),
    (b"{}", 400, "malformed"),
    (b'{"messages":[]}', 400, "malformed"),
    (b'{"model":5}', 400, "malformed"),
    (b'{"model":"chat","stream":"yes"}', 400, "malformed"),
    (b'{"model":"chat","stream_options":7}', 400, "malformed"),
    (b'{"model":"chat","messages":"\x00"}', 400, "malformed"),
    (b'{"model":"chat","messages":"\xff\xfe"}', 400, "malformed"),
    (b'{"model":"\xed\xa0\x80"}', 400, "malformed"),
    (b'{"model":"chat","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, "malformed"),
    (b'{"model":"chat"} {"model":"chat"}', 400, "malformed"),
    (b'{"model":""}', 404, "unknown_endpoint"),
    (b'{"model":"nobody"}', 404, "unknown_endpoint"),
    (json.dumps({"model": "x" * 100_000}).encode(), 404, "unknown_endpoint"),
]


@pytest.mark.parametrize(("body", "status", "code"), CLEAR, ids=range(len(CLEAR)))
def test_a_bad_request_gets_a_clear_error(
    provider: DevProvider, worker: GatewayWorker, body: bytes, status: int, code: str
) -> None:
    answer = worker.post(body)
    assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert len(answer.body) < 1000
    row = worker.only_row()
    assert (row.outcome, row.error, row.status, row.attempts) == ("refused", code, status, 0)
    assert provider.requests == []


def test_the_error_names_the_field(worker: GatewayWorker) -> None:
    error = worker.post(b'{"model":"chat","stream":1}').json()["error"]
    assert error["param"] == "stream"
    assert "`body.stream`" in error["message"]
    assert "one of chat" in worker.post(b'{"model":"nobody"}').json()["error"]["message"]


def test_an_operation_that_an_endpoint_has_not_is_422(worker: GatewayWorker) -> None:
    worker.change(endpoints=(chat_endpoint(operations=("chat",)),))
    answer = worker.post({"model": "chat", "input": "x"}, path="/v1/embeddings")
    assert answer.status == 422
    assert "POST /v1/chat/completions" in answer.json()["error"]["message"]
    answer = worker.post(b'{"inputs":[]}', path="/v2/models/chat/infer")
    assert answer.status == 422
    assert set(answer.json()) == {"error"}
    worker.change(endpoints=(chat_endpoint(),))


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_body_past_the_limit_is_413_and_the_connection_goes_on(worker: GatewayWorker, framing: str) -> None:
    size = (1 << 20) + 1
    content = b'{"model":"chat","x":"' + b"a" * (size - 23) + b'"}'
    with Wire(worker.port) as wire:
        if framing == "chunked":
            wire.send(head_of(length=None) + f"{len(content):x}\r\n".encode() + content + b"\r\n0\r\n\r\n")
        else:
            wire.send(head_of(length=len(content)) + content)
        status, _, body = wire.answer()
        assert (status, json.loads(body)["error"]["code"]) == (413, "too_large")
        question = json.dumps(QUESTION).encode()
        wire.send(head_of(length=len(question)) + question)
        assert wire.answer()[0] == 200


def test_a_body_far_past_the_limit_is_refused_by_its_length_alone(worker: GatewayWorker) -> None:
    with Wire(worker.port) as wire:
        wire.send(head_of(length=99_999_999_999))
        status, headers, _ = wire.answer()
        assert (status, headers["connection"]) == (413, "close")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/nothing", 404, None),
        ("POST", "/v1/images/generations", 404, None),
        ("GET", "/v2/models/../../etc/infer", 404, None),
        ("GET", "/v2/models/a%2Fb", 404, None),
        ("GET", CHAT, 405, "POST"),
        ("DELETE", "/v1/models", 405, "GET"),
        ("GET", "/v2/models/chat/infer", 405, "POST"),
    ],
)
def test_paths_and_methods_that_are_not_there(
    worker: GatewayWorker, method: str, path: str, status: int, allow: str | None
) -> None:
    answer = worker.ask(method, path)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    error = answer.json()["error"]
    assert isinstance(error, str) if path.startswith("/v2") else error["code"] in {"unknown_path", "method_not_allowed"}


def test_models_are_listed_for_those_who_may_call_them(worker: GatewayWorker) -> None:
    assert worker.ask("GET", "/v1/models").status == 401
    listed = worker.get("/v1/models").json()
    assert [model["id"] for model in listed["data"]] == ["chat"]
    assert worker.get("/v1/models/chat").json()["object"] == "model"
    assert worker.get("/v1/models/other").status == 404


def test_health_is_open_and_asks_nobody(provider: DevProvider, worker: GatewayWorker) -> None:
    for path in ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready", "/v2"):
        assert worker.ask("GET", path).status == 200
        assert worker.ask("HEAD", path).body == b""
    assert worker.ask("GET", "/v2").json()["name"] == "modelwright"
    assert provider.seen()["received"] == 0


@pytest.mark.parametrize(
    "tags", ["nonsense", "a=1,", "=x", "A=1", "a=" + "x" * 129, ",".join(f"t{n}=1" for n in range(17))]
)
def test_tags_are_bounded(worker: GatewayWorker, tags: str) -> None:
    answer = worker.post(x_modelwright_tags=tags)
    assert (answer.status, answer.json()["error"]["param"]) == (400, "x-modelwright-tags")


def test_a_provider_that_is_off_says_what_to_set(provider: DevProvider, worker: GatewayWorker) -> None:
    off = remote(provider.base_url, name="off", off="set OPENAI_API_KEY")
    lacking = remote(provider.base_url, name="lacking", keys=("${secret:NOT_SET_ANYWHERE}",))
    ends = tuple(chat_endpoint(provider=name, name=name) for name in ("off", "lacking"))
    worker.change(endpoints=(chat_endpoint(), *ends), providers=(remote(provider.base_url), off, lacking))
    for name, variable in (("off", "OPENAI_API_KEY"), ("lacking", "NOT_SET_ANYWHERE")):
        answer = worker.post({**QUESTION, "model": name})
        assert (answer.status, answer.json()["error"]["code"]) == (503, "provider_off")
        assert f"set {variable}" in answer.json()["error"]["message"]
    assert worker.post().status == 200


def test_auth_may_be_optional_or_off(worker: GatewayWorker) -> None:
    body = json.dumps(QUESTION).encode()
    worker.change(auth="optional")
    assert worker.ask("POST", CHAT, body).status == 200
    assert worker.ask("POST", CHAT, body, headers={"X-API-Key": "mw-wrong"}).status == 401
    worker.change(auth="none")
    assert worker.ask("POST", CHAT, body, headers={"X-API-Key": "mw-wrong"}).status == 200
    worker.change(auth="required")
    assert worker.ask("POST", CHAT, body).status == 401


def test_more_calls_than_fit_are_429_and_the_others_do_not_notice(provider: DevProvider, worker: GatewayWorker) -> None:
    worker.change(max_in_flight=5)
    provider.fails("hold")
    with ThreadPoolExecutor(20) as pool:
        taken = [pool.submit(worker.post) for _ in range(5)]
        patient(lambda: len(provider.requests) == 5, waiting_for="five to be under way")
        refused = list(pool.map(lambda _: worker.post(), range(15)))
        provider.release()
        assert [one.result().status for one in taken] == [200] * 5
    assert {(answer.status, answer.json()["error"]["code"]) for answer in refused} == {(429, "overloaded")}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    patient(lambda: len(worker.outcomes()) == 20, waiting_for="the rows")
    assert provider.seen()["received"] == 5
    patient(lambda: worker.busy().in_flight == 0)
    assert worker.post().status == 200


def test_junk_never_makes_the_gateway_fail(worker: GatewayWorker) -> None:
    random = Random(20261120)
    whole = msgspec.json.encode({**QUESTION, "stream": True, "user": "u", "n": 1, "tools": [{"a": [1.5, None, True]}]})
    statuses: set[int] = set()
    with Wire(worker.port) as wire:
        for _ in range(400):
            body = _mutated(random, whole)
            wire.send(head_of(length=len(body)) + body)
            status, _, _ = wire.answer()
            statuses.add(status)
    assert statuses <= {200, 400, 404, 422}
    assert {200, 400} <= statuses
    patient(lambda: worker.busy().in_flight == 0)


def test_series_are_bounded_whatever_clients_ask_for(worker: GatewayWorker) -> None:
    for number in range(200):
        worker.post({"model": f"junk-{number}"})
        worker.ask("GET", f"/junk/{number}")
        worker.post(path=f"/v2/models/junk-{number}/infer")
    metrics = worker.metrics()
    assert "junk" not in metrics
    assert 'endpoint="_other"' in metrics
    assert 'path="_other"' in metrics
    assert len(metrics.splitlines()) < 400


def _mutated(random: Random, body: bytes) -> bytes:
    content: Any = bytearray(body)
    for _ in range(random.choice((0, 1, 1, 2, 8))):
        at = random.randrange(len(content))
        match random.randrange(4):
            case 0:
                content[at] = random.randrange(256)
            case 1:
                del content[at : at + random.randrange(20)]
            case 2:
                content[at:at] = random.randbytes(random.randrange(20))
            case _:
                content[at:at] = random.choice((b"\x00", b'"', b"{", b"[[[[", b"\\ud800", b"-1e999", b"null,"))
        if not content:
            break
    return bytes(content)
