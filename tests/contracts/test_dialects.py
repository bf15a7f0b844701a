"""Every dialect turns a call into a request that its vendor can read, and every failure into an error of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
import pytest

from modelwright.adapters.http.head import RequestHeads
from modelwright.adapters.providers.table import ROWS, SERVING, dialect
from modelwright.core.contracts.ledger import Usage
from modelwright.core.contracts.snapshot import ProviderEntry
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.providers import (
    ProviderAuth,
    ProviderError,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderTimeout,
)
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.providers import Dialect, Outbound

TEXT = ("chat", "completions", "embeddings")
OPERATIONS: Mapping[str, tuple[str, ...]] = {row.kind: row.operations for row in ROWS if row.kind != "v2"} | {
    SERVING: TEXT
}
"""Of all that speak of texts."""
REMOTE = sorted(OPERATIONS.keys() - {SERVING})
BODY = {"model": "ours", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5}
KEY = "sk-a-secret"
OPENAI = [kind for kind in OPERATIONS if kind != "anthropic"]
"""Kinds whose own wire is OpenAI's."""


def own(kind: str) -> str:
    """An operation that a kind speaks itself."""
    return "chat" if kind in OPENAI else "messages"


def member(kind: str) -> Dialect:
    url = "unix:/run/worker.sock" if kind == SERVING else "http://10.0.0.7:8000/v1"
    return dialect(ProviderEntry(name="vendor", kind=kind, base_urls=(url,)), url)


def outbound(operation: str, **fields: object) -> Outbound:
    known = Outbound(
        operation=operation, model="theirs", client_model="ours", body=msgspec.json.encode(BODY), api_key=KEY
    )
    return msgspec.structs.replace(known, **fields)


@pytest.mark.parametrize("kind", OPERATIONS)
def test_each_operation_becomes_a_request_that_can_be_sent(kind: str) -> None:
    for operation in OPERATIONS[kind]:
        request = member(kind).request(outbound(operation))
        head = RequestHeads().encode(request)
        assert request.method == "POST"
        assert re.search(r"/(chat/completions|completions|embeddings|messages|responses)(\?|$)", request.target)
        assert request.origin == member(kind).request(outbound(operation)).origin
        assert dict(request.headers)[b"content-type"] == b"application/json"
        assert msgspec.json.decode(request.body) == {**BODY, "model": "theirs"}
        assert (KEY.encode() in head) == (kind != SERVING)
        assert KEY not in request.target
        assert KEY.encode() not in request.body


@pytest.mark.parametrize("kind", REMOTE)
def test_without_a_key_no_header_speaks_of_one(kind: str) -> None:
    request = member(kind).request(outbound(own(kind), api_key=""))
    assert not {name for name, _ in request.headers} & {b"authorization", b"api-key", b"x-api-key"}


@pytest.mark.parametrize("kind", OPERATIONS)
def test_bytes_pass_untouched_when_the_name_is_the_same(kind: str) -> None:
    body = b'{ "model":"same",  "x" : 1.50 }'
    request = member(kind).request(outbound(own(kind), model="same", client_model="same", body=body))
    assert request.body == body


@pytest.mark.parametrize("kind", OPERATIONS)
@pytest.mark.parametrize("body", [b'{"model":"evil","model":"same"}', b'{"mod\\u0065l":"evil","model":"same"}'])
def test_two_names_in_one_body_become_one(kind: str, body: bytes) -> None:
    request = member(kind).request(outbound(own(kind), model="same", client_model="same", body=body))
    assert request.body == b'{"model":"same"}'


@pytest.mark.parametrize("kind", OPENAI)
def test_a_stream_asks_for_usage_where_the_vendor_knows_how(kind: str) -> None:
    body = msgspec.json.encode({**BODY, "stream": True, "stream_options": {"x": 1}})
    request = member(kind).request(outbound("chat", body=body, stream=True, ask_usage=True))
    sent = msgspec.json.decode(request.body)
    assert (sent["model"], sent["stream"]) == ("theirs", True)
    assert sent.get("stream_options") == (None if kind == "mistral" else {"x": 1, "include_usage": True})


@pytest.mark.parametrize("kind", OPERATIONS)
def test_headers_of_the_client_that_may_pass_do(kind: str) -> None:
    request = member(kind).request(outbound(own(kind), headers=((b"traceparent", b"00-1-1-01"),)))
    assert dict(request.headers)[b"traceparent"] == b"00-1-1-01"


@pytest.mark.parametrize("kind", [kind for kind in REMOTE if set(OPERATIONS[kind]) != set(TEXT)])
def test_what_a_vendor_does_not_answer_is_refused_with_what_it_does(kind: str) -> None:
    for operation in (*set(TEXT) - set(OPERATIONS[kind]), "infer"):
        with pytest.raises(Unprocessable) as caught:
            member(kind).request(outbound(operation))
        assert all(known in caught.value.hint for known in OPERATIONS[kind])


@pytest.mark.parametrize("kind", OPERATIONS)
def test_who_answers_chat_messages_or_responses_says_how_each_is_asked(kind: str) -> None:
    spoken = member(kind).spoken
    native = {operation for operation in OPERATIONS[kind] if operation in {"chat", "messages", "responses"}}
    asked = {operation: spoken[operation].operation for operation in spoken}
    assert asked.get("chat", "chat") in native
    assert set(asked.values()) <= native
    assert {"messages", "responses"} <= asked.keys()
    for operation in native - {"chat"}:
        assert asked[operation] == operation


def test_azures_dated_api_has_no_responses_of_its_own() -> None:
    entry = ProviderEntry(name="a", kind="azure-openai", base_urls=("http://h",), options={"api_version": "1"})
    assert dialect(entry, "http://h").spoken["responses"].operation == "chat"


@pytest.mark.parametrize("url", ["http://h/anthropic", "http://h/anthropic/v1", "http://h/anthropic/v1/"])
def test_anthropics_version_may_stand_in_its_address_or_not(url: str) -> None:
    found = dialect(ProviderEntry(name="a", kind="anthropic", base_urls=(url,)), url)
    assert found.request(outbound("messages")).target == "/anthropic/v1/messages"


def test_anthropics_own_headers() -> None:
    plain = dict(member("anthropic").request(outbound("messages")).headers)
    assert (plain[b"anthropic-version"], plain[b"x-api-key"]) == (b"2023-06-01", KEY.encode())
    given = ((b"anthropic-version", b"2030-01-01"), (b"anthropic-beta", b"b"))
    headers = member("anthropic").request(outbound("messages", headers=given)).headers
    assert [value for name, value in headers if name == b"anthropic-version"] == [b"2030-01-01"]
    assert (b"anthropic-beta", b"b") in headers


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5", ""])
def test_anthropics_limit_is_a_number_above_zero(limit: str) -> None:
    entry = ProviderEntry(name="a", kind="anthropic", base_urls=("http://h",), options={"max_tokens": limit})
    with pytest.raises(StartError, match="max_tokens"):
        dialect(entry, "http://h")


MEANINGS = {401: ProviderAuth, 402: ProviderAuth, 403: ProviderAuth, 408: ProviderTimeout, 429: ProviderRateLimited}


@pytest.mark.parametrize("kind", REMOTE)
def test_every_status_means_something(kind: str) -> None:
    body = msgspec.json.encode({"error": {"message": "their words"}})
    for status in set(range(400, 600)) - {400, 404, 413, 422}:
        error = member(kind).failure(status, ((b"retry-after", b"7"),), body)
        assert error is not None
        overloaded = kind == "anthropic" and status == 529
        assert type(error) is (ProviderOverloaded if overloaded else MEANINGS.get(status, ProviderError))
        assert "vendor" in error.message
        assert ("their words" in error.message) == (status not in {401, 402, 403, 408} and not overloaded)
        if status == 429:
            assert error.retry_after == 7.0


@pytest.mark.parametrize("kind", OPERATIONS)
def test_what_speaks_of_the_request_passes_as_it_is(kind: str) -> None:
    for status in range(400, 600) if kind == SERVING else (400, 404, 413, 422):
        assert member(kind).failure(status, (), b"{}") is None


@pytest.mark.parametrize("kind", REMOTE)
@pytest.mark.parametrize("value", [b"", b"Wed, 21 Oct 2026 07:28:00 GMT", b"nan", b"-5", b"1e99"])
def test_an_odd_retry_after_is_no_trouble(kind: str, value: bytes) -> None:
    error = member(kind).failure(429, ((b"retry-after", value),), b"")
    assert error is not None
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 86400


@pytest.mark.parametrize("kind", OPENAI)
def test_answers_and_events_tell_usage(kind: str) -> None:
    data = msgspec.json.encode({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
    whole = member(kind).answer(data)
    assert whole is not None
    assert whole.usage == member(kind).event(data).usage == Usage(input_tokens=3, output_tokens=4)


@pytest.mark.parametrize("kind", REMOTE)
def test_a_page_is_no_answer(kind: str) -> None:
    assert member(kind).answer(b"<html>") is None
