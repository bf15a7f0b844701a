"""Servers of tensors elsewhere: what they are asked, and what their failures mean."""

import pytest

from modelwright.adapters.providers.table import dialect
from modelwright.core.contracts.snapshot import ProviderEntry
from modelwright.core.errors.calls import Unprocessable
from modelwright.core.errors.providers import ProviderAuth, ProviderError
from modelwright.core.ports.http import UpstreamRequest
from modelwright.core.ports.providers import Dialect, Outbound


def member(url: str = "http://10.0.0.7:8000") -> Dialect:
    return dialect(ProviderEntry(name="far", kind="v2", base_urls=(url,)), url)


def asked(url: str = "http://10.0.0.7:8000", **fields: object) -> UpstreamRequest:
    return member(url).request(Outbound(**{"operation": "infer", "model": "digits", "body": b"{}", **fields}))


@pytest.mark.parametrize("url", ["http://10.0.0.7:8000", "http://10.0.0.7:8000/", "http://10.0.0.7:8000/v2/"])
def test_its_address_may_end_in_its_version(url: str) -> None:
    request = asked(url)
    assert (request.method, request.target, request.body) == ("POST", "/v2/models/digits/infer", b"{}")
    assert (request.origin.scheme, request.origin.host, request.origin.port) == ("http", "10.0.0.7", 8000)


@pytest.mark.parametrize(
    ("model", "version", "target"),
    [
        ("digits@7", "", "/v2/models/digits/versions/7/infer"),
        ("digits@7", "7", "/v2/models/digits/versions/7/infer"),
        ("digits", "3", "/v2/models/digits/versions/3/infer"),
        ("a b/../c", "", "/v2/models/a%20b%2F..%2Fc/infer"),
    ],
)
def test_a_version_and_a_strange_name_have_their_place(model: str, version: str, target: str) -> None:
    assert asked(model=model, version=version).target == target


def test_another_version_than_the_manifests_is_refused() -> None:
    with pytest.raises(Unprocessable, match="has no version '8'"):
        asked(model="digits@7", version="8")


def test_the_clients_form_and_the_key_go_along() -> None:
    form = ((b"content-type", b"application/octet-stream"), (b"inference-header-content-length", b"12"))
    headers = dict(asked(api_key="k", headers=form).headers)
    assert headers.items() >= {*form, (b"authorization", b"Bearer k")}
    assert b"authorization" not in dict(asked().headers)


def test_nothing_but_tensors_is_asked() -> None:
    with pytest.raises(Unprocessable) as caught:
        asked(operation="chat")
    assert caught.value.hint == "it answers infer"


def test_its_failures_are_told_in_its_words() -> None:
    error = member().failure(500, (), b'{"error": "out of memory"}')
    assert isinstance(error, ProviderError)
    assert "out of memory" in error.message
    assert isinstance(member().failure(401, (), b""), ProviderAuth)
    assert member().failure(400, (), b'{"error": "wrong shape"}') is None
    assert member().answer(b"<html>") is None
    assert member().answer(b'{"outputs": []}') == member().event(b"")
