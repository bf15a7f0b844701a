"""Every row's dialect: the request that goes out, and what a vendor's refusals and failures mean."""

import msgspec
import pytest

from modelwright.adapters.providers.openai_compatible import retry_after
from modelwright.adapters.providers.table import KINDS, ROWS, dialect
from modelwright.core.contracts.snapshot import SERVING, ProviderEntry
from modelwright.core.errors.calls import CallError, Unprocessable
from modelwright.core.errors.providers import ProviderAuth, ProviderError, ProviderRateLimited, ProviderTimeout
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.providers import Dialect, Outbound

BODY = b'{"model": "chat",  "messages": [{"role": "user", "content": "\xc3\xa9"}], "x": 1.0}'
KEY = "sk-secret-of-ours"


def entry(kind: str, **options: str) -> ProviderEntry:
    return ProviderEntry(name="p", kind=kind, base_urls=(), options=options)


def speak(kind: str, base_url: str = "", **options: str) -> Dialect:
    return dialect(entry(kind, **options), base_url or KINDS[kind].base_url or "http://10.0.0.7:8000/v1")


def call(operation: str = "chat", *, body: bytes = BODY, model: str = "chat", **more: object) -> Outbound:
    facts = {"operation": operation, "model": model, "client_model": "chat", "body": body, "api_key": KEY} | more
    return msgspec.convert(facts, Outbound)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "anthropic"])
def test_bytes_pass_untouched_where_nothing_must_change(kind: str) -> None:
    request = speak(kind).request(call())
    assert request.body == BODY
    assert request.method == "POST"
    assert request.target.endswith("/chat/completions")
    assert request.origin.port in {80, 443, 8000, 11434}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_a_row_answers_what_it_says_and_nothing_else(row: object) -> None:
    kind = KINDS[row.kind]  # pyright: ignore[reportAttributeAccessIssue]
    for operation in ("chat", "completions", "embeddings"):
        if operation in kind.operations:
            assert speak(kind.kind).request(call(operation)).target
        else:
            with pytest.raises(Unprocessable, match=operation) as refused:
                speak(kind.kind).request(call(operation))
            assert all(known in refused.value.hint for known in kind.operations)


def test_the_key_stands_in_its_header_and_nowhere_else() -> None:
    request = speak("openai").request(call())
    assert dict(request.headers)[b"authorization"] == b"Bearer " + KEY.encode()
    assert KEY not in request.target
    assert KEY.encode() not in request.body
    assert b"authorization" not in dict(speak("vllm").request(call(api_key="")).headers)


def test_another_name_of_the_model_is_written_into_the_body() -> None:
    body = speak("openai").request(call(model="gpt-4o-mini")).body
    assert msgspec.json.decode(body) == msgspec.json.decode(BODY) | {"model": "gpt-4o-mini"}
    assert b'"x":1.0' in body  # other values keep their bytes


def test_a_body_that_names_two_models_is_made_unambiguous() -> None:
    body = speak("openai").request(call(body=b'{"model":"other","model":"chat"}')).body
    assert body.count(b'"model"') == 1
    assert msgspec.json.decode(body) == {"model": "chat"}


def test_usage_of_a_stream_is_asked_for_and_other_options_are_kept() -> None:
    asked = b'{"model":"chat","stream":true,"stream_options":{"include_obfuscation":false}}'
    body = speak("openai").request(call(body=asked, stream=True, ask_usage=True)).body
    assert msgspec.json.decode(body)["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_a_vendor_that_knows_no_stream_options_gets_none() -> None:
    asked = b'{"model":"chat","stream":true,"stream_options":{"include_usage":true}}'
    body = speak("mistral").request(call(body=asked, stream=True, ask_usage=True)).body
    assert msgspec.json.decode(body) == {"model": "chat", "stream": True}


def test_azure_has_its_own_header_and_two_ways() -> None:
    base = "https://name.openai.azure.com"
    new = speak("azure-openai", base).request(call())
    assert new.target == "/openai/v1/chat/completions"
    assert dict(new.headers)[b"api-key"] == KEY.encode()
    assert b"authorization" not in dict(new.headers)
    dated = speak("azure-openai", f"{base}/openai/v1", api_version="2024-10-21").request(call(model="my deployment"))
    assert dated.target == "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ProviderAuth),
        (403, ProviderAuth),
        (408, ProviderTimeout),
        (429, ProviderRateLimited),
        (500, ProviderError),
        (503, ProviderError),
    ],
)
def test_a_failure_is_named_by_its_status(status: int, kind: type[CallError]) -> None:
    body = msgspec.json.encode({"error": {"message": "their words"}})
    error = speak("openai").failure(status, [(b"retry-after", b"7")], body)
    assert type(error) is kind
    assert "provider p" in str(error)


def test_a_refused_key_is_not_repeated() -> None:
    body = msgspec.json.encode({"error": {"message": f"Incorrect API key provided: {KEY}"}})
    assert KEY not in str(speak("openai").failure(401, [], body))


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_speaks_of_the_clients_own_request_passes_on(status: int) -> None:
    assert speak("openai").failure(status, [], b"whatever") is None


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"7", 7.0), (b"-1", 0.0), (b"1e9", 86400.0), (b"Wed, 21 Oct 2015 07:28:00 GMT", None)]
)
def test_retry_after_is_bounded(value: bytes, seconds: float | None) -> None:
    assert retry_after([(b"retry-after", value)]) == seconds


@pytest.mark.parametrize(
    "url", ["", "ftp://h/v1", "http://", "https://user:hunter2@h/v1", "https://h/v1?key=hunter2", "http://h:99999/"]
)
def test_an_address_that_cannot_be_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(StartError, match="provider p") as refused:
        dialect(entry("vllm"), url)
    assert "hunter2" not in str(refused.value)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(StartError, match="openrouter"):
        dialect(entry("openal"), "http://h/v1")


def worker() -> Dialect:
    return dialect(entry(SERVING), "unix:/run/serving-chat-0.sock")


@pytest.mark.parametrize(
    ("operation", "version", "expected"),
    [
        ("chat", "", "POST /v1/chat/completions"),
        ("infer", "", "POST /v2/models/chat/infer"),
        ("infer", "1", "POST /v2/models/chat/versions/1/infer"),
        ("metadata", "", "GET /v2/models/chat"),
        ("ready", "1", "GET /v2/models/chat/versions/1/ready"),
        ("alive", "", "GET /readyz"),
    ],
)
def test_a_worker_of_ours_is_asked_over_its_socket(operation: str, version: str, expected: str) -> None:
    request = worker().request(call(operation, version=version))
    assert f"{request.method} {request.target}" == expected
    assert (request.origin.scheme, request.origin.host) == ("unix", "/run/serving-chat-0.sock")
    assert KEY not in str(request)


def test_a_workers_errors_pass_on_as_they_are() -> None:
    assert worker().failure(503, [], b"{}") is None


def test_a_worker_without_a_socket_is_refused() -> None:
    with pytest.raises(StartError, match="no worker's address"):
        dialect(entry(SERVING), "http://127.0.0.1:1")


AT = b"Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ([(b"retry-after-ms", b"250")], 0.25),
        ([(b"retry-after", b"1"), (b"retry-after-ms", b"250")], 0.25),
        ([(b"retry-after", b"3"), (b"retry-after-ms", b"soon")], None),
        ([(b"date", AT), (b"retry-after", b"Wed, 21 Oct 2015 07:28:30 GMT")], 30.0),
        ([(b"date", AT), (b"retry-after", b"Wed, 21 Oct 2015 07:27:30 GMT")], 0.0),
        ([(b"date", AT), (b"retry-after", b"Fri, 31 Dec 9999 23:59:59 GMT")], 86400.0),
        ([(b"retry-after", AT)], None),
        ([(b"date", b"today"), (b"retry-after", AT)], None),
        ([(b"date", AT), (b"retry-after", b"Wed, 21 Oct 2015 07:28:30 -0000")], None),
        ([(b"date", AT)], None),
        ([(b"retry-after", b"nan")], 0.0),
    ],
)
def test_what_an_answer_asks_to_wait_is_understood_in_all_its_forms(
    headers: list[tuple[bytes, bytes]], seconds: float | None
) -> None:
    assert retry_after(headers) == seconds
