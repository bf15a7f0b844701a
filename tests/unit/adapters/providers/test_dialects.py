"""What is peculiar to single dialects: addresses, Azure's two ways, our own workers; what all keep is in contracts."""

import msgspec
import pytest

from modelwright.adapters.providers.openai_compatible import retry_after
from modelwright.adapters.providers.table import KINDS, dialect
from modelwright.core.contracts.snapshot import SERVING, ProviderEntry
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


def test_the_key_is_a_bearer_token() -> None:
    assert dict(speak("openai").request(call()).headers)[b"authorization"] == b"Bearer " + KEY.encode()


def test_what_stands_beside_another_name_keeps_its_bytes() -> None:
    assert b'"x":1.0' in speak("openai").request(call(model="gpt-4o-mini")).body


def test_azure_has_its_own_header_and_two_ways() -> None:
    base = "https://name.openai.azure.com"
    new = speak("azure-openai", base).request(call())
    assert new.target == "/openai/v1/chat/completions"
    assert dict(new.headers)[b"api-key"] == KEY.encode()
    assert b"authorization" not in dict(new.headers)
    dated = speak("azure-openai", f"{base}/openai/v1", api_version="2024-10-21").request(call(model="my deployment"))
    assert dated.target == "/openai/deployments/my%20deployment/chat/completions?api-version=2024-10-21"


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
        ("predict", "", "POST /predict/chat"),
        ("schema", "", "GET /predict/chat/openapi.json"),
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
