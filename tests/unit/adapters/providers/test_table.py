import pytest

from modelwright.adapters.providers.table import KINDS, ROWS, SERVING, dialect
from modelwright.core.contracts.snapshot import ProviderEntry
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.providers import Outbound

NAMED = {
    "openai", "deepseek", "azure-openai", "vllm", "tgi", "ollama", "dashscope", "moonshot", "zhipu", "siliconflow",
    "openrouter", "mistral", "groq", "together", "anthropic", "v2",
}  # fmt: skip


def target(kind: str, base_url: str, *, model: str = "m", **options: str) -> tuple[str, dict[bytes, bytes]]:
    entry = ProviderEntry(name="p", kind=kind, base_urls=(base_url,), options=options)
    operation = "messages" if kind == "anthropic" else "chat"
    request = dialect(entry, base_url).request(
        Outbound(operation=operation, model=model, client_model=model, body=b'{"model":"m"}', api_key="k")
    )
    host = f"{request.origin.scheme}://{request.origin.host}:{request.origin.port}"
    return host + request.target, dict(request.headers)


def test_every_vendor_is_one_row() -> None:
    assert set(KINDS) == NAMED
    assert len(ROWS) == len(NAMED)
    assert SERVING not in KINDS


@pytest.mark.parametrize("kind", [row.kind for row in ROWS if row.base_url])
def test_a_row_with_an_address_needs_none_in_the_manifest(kind: str) -> None:
    url, _ = target(kind, "")
    assert url.endswith("/messages" if kind == "anthropic" else "/chat/completions")
    assert KINDS[kind].base_url.partition("://")[2].partition("/")[0].partition(":")[0] in url


@pytest.mark.parametrize("kind", [row.kind for row in ROWS if not row.base_url])
def test_a_row_without_an_address_asks_for_one(kind: str) -> None:
    with pytest.raises(StartError, match="base_url"):
        target(kind, "")


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("http://host:8000/v1", "http://host:8000/v1/chat/completions"),
        ("http://host/v1/", "http://host:80/v1/chat/completions"),
        ("https://host", "https://host:443/chat/completions"),
        ("http://[::1]:8000/v1", "http://::1:8000/v1/chat/completions"),
    ],
)
def test_base_urls_are_joined(base_url: str, expected: str) -> None:
    assert target("vllm", base_url)[0] == expected


@pytest.mark.parametrize(
    "base_url",
    [
        "host:8000",
        "ftp://host",
        "http://",
        "http://host:99999",
        "http://host/v1?x=1",
        "http://u:p@host/",
        "http://h/#a",
    ],
)
def test_a_base_url_that_is_none_is_refused_with_its_place(base_url: str) -> None:
    with pytest.raises(StartError) as caught:
        target("vllm", base_url)
    assert caught.value.place == "provider p"
    assert caught.value.hint


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(StartError) as caught:
        target("openay", "http://host")
    assert "deepseek" in caught.value.hint


@pytest.mark.parametrize(
    "base_url",
    ["https://r.openai.azure.com", "https://r.openai.azure.com/openai/", "https://r.openai.azure.com/openai/v1"],
)
def test_azure_speaks_its_v1_api_unless_a_version_is_set(base_url: str) -> None:
    url, headers = target("azure-openai", base_url)
    assert url == "https://r.openai.azure.com:443/openai/v1/chat/completions"
    assert headers[b"api-key"] == b"k"
    assert b"authorization" not in headers
    url, _ = target("azure-openai", base_url, model="my deploy/ment", api_version="2024-10-21")
    root = "https://r.openai.azure.com:443/openai/deployments"
    assert url == f"{root}/my%20deploy%2Fment/chat/completions?api-version=2024-10-21"


def test_a_worker_is_asked_by_its_own_paths() -> None:
    entry = ProviderEntry(name="serving:m", kind=SERVING, base_urls=("unix:/run/w.sock",))
    spoken = dialect(entry, "unix:/run/w.sock")
    asked = {
        operation: spoken.request(Outbound(operation=operation, model="m", version="2", body=b"bytes"))
        for operation in ("infer", "metadata", "ready", "alive")
    }
    assert {name: (request.method, request.target, request.body) for name, request in asked.items()} == {
        "infer": ("POST", "/v2/models/m/versions/2/infer", b"bytes"),
        "metadata": ("GET", "/v2/models/m/versions/2", b""),
        "ready": ("GET", "/v2/models/m/versions/2/ready", b""),
        "alive": ("GET", "/readyz", b""),
    }
    assert asked["infer"].origin.scheme == "unix"
    assert asked["infer"].origin.host == "/run/w.sock"
    with pytest.raises(StartError):
        dialect(entry, "http://not-a-worker")
