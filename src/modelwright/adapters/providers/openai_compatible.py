"""The dialect of every vendor that speaks the OpenAI wire: paths, key header, usage, and what its failures mean."""

from __future__ import annotations

from collections.abc import Collection
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import msgspec

from modelwright.core.contracts.snapshot import ProviderEntry
from modelwright.core.errors.calls import CallError, Unprocessable
from modelwright.core.errors.providers import ProviderAuth, ProviderError, ProviderRateLimited, ProviderTimeout
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.http import Headers, Origin, UpstreamRequest
from modelwright.core.ports.providers import AnswerHead, Outbound, Spoken
from modelwright.core.wire import openai

TARGETS = {
    "chat": "/chat/completions",
    "completions": "/completions",
    "embeddings": "/embeddings",
    "responses": "/responses",
}
MODERATIONS = "moderations"
"""What guards ask their classifiers; no client can."""
PASSED_ON = frozenset({400, 404, 413, 422})
"""Statuses that speak of the client's own request: the vendor's words reach the client as they are."""
_WAITS = frozenset({b"retry-after", b"retry-after-ms", b"date"})
_PORTS = {"http": 80, "https": 443}
_EXAMPLE = "such as http://10.0.0.7:8000/v1"
_HEADERS = (
    (b"content-type", b"application/json"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"modelwright"),
)


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a vendor's row that its dialect needs."""

    operations: frozenset[str]
    stream_options: bool = True
    limit_field: str = "max_tokens"


class OpenAiDialect:
    """Speaks to one base URL of an OpenAI-compatible vendor."""

    def __init__(self, entry: ProviderEntry, base_url: str, vendor: Vendor) -> None:
        self._name = entry.name
        self._origin, prefix = read_base_url(base_url, place=f"provider {entry.name}")
        self._vendor = vendor
        self.spoken = spoken_by(vendor.operations, limit_field=vendor.limit_field)
        self._headers: dict[str, tuple[tuple[bytes, bytes], ...]] = {}
        """By key: there are as few as the entry has."""
        self._targets = {
            operation: prefix + target for operation, target in TARGETS.items() if operation in vendor.operations
        } | {MODERATIONS: f"{prefix}/{MODERATIONS}"}

    def request(self, call: Outbound) -> UpstreamRequest:
        headers = self._headers.get(call.api_key)
        if headers is None:
            headers = self._headers[call.api_key] = (*_HEADERS, *self._key_headers(call.api_key))
        return UpstreamRequest(
            origin=self._origin,
            method="POST",
            target=self._target(call),
            headers=(*headers, *call.headers) if call.headers else headers,
            body=self._body(call),
        )

    def failure(self, status: int, headers: Headers, body: bytes) -> CallError | None:
        if status in PASSED_ON:
            return None
        return failure_of(self._name, status, headers=headers, message=openai.error_message(body))

    def answer(self, body: bytes) -> AnswerHead | None:
        return openai.read_answer(body)

    def event(self, data: bytes) -> AnswerHead:
        return openai.read_event(data)

    def _target(self, call: Outbound) -> str:
        target = self._targets.get(call.operation)
        if target is None:
            raise Unprocessable(
                f"provider {self._name} does not answer {call.operation}",
                hint=f"it answers {', '.join(sorted(self._targets.keys() - {MODERATIONS}))}",
            )
        return target

    def _key_headers(self, api_key: str) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"authorization", b"Bearer " + api_key.encode()),) if api_key else ()

    def _body(self, call: Outbound) -> bytes:
        if call.stream and not self._vendor.stream_options:
            return openai.with_fields(call.body, {"model": call.model}, without=("stream_options",))
        return wire_body(call)


def spoken_by(operations: Collection[str], *, limit_field: str = "max_tokens") -> dict[str, Spoken]:
    """What a vendor of chat is asked for messages and responses."""
    if "chat" not in operations:
        return {}
    chat = Spoken(operation="chat", limit_field=limit_field)
    responses = Spoken(operation="responses", limit_field=limit_field) if "responses" in operations else chat
    return {"messages": chat, "responses": responses}


def wire_body(call: Outbound) -> bytes:
    """The client's bytes untouched, unless the model has another name here or usage must be asked for."""
    model = None if call.model == call.client_model and openai.names_model_once(call.body) else call.model
    if call.ask_usage and call.stream:
        return openai.ask_for_usage(call.body, model=model)
    return call.body if model is None else openai.with_fields(call.body, {"model": model})


def read_base_url(base_url: str, *, place: str) -> tuple[Origin, str]:
    """Origin and path prefix of `http(s)://host[:port][/prefix]`.

    Raises StartError for anything else, without the address itself, which may hold a password.
    """
    try:
        url = urlsplit(base_url)
        host, port = url.hostname, url.port
    except ValueError as error:
        raise StartError(f"its base_url is no URL: {error}", hint=_EXAMPLE, place=place) from None
    if url.scheme not in _PORTS or not host or url.query or url.fragment or url.username:
        raise StartError("its base_url is not http(s)://host[:port][/path]", hint=_EXAMPLE, place=place)
    return Origin(scheme=url.scheme, host=host, port=port or _PORTS[url.scheme]), url.path.rstrip("/")


def failure_of(provider: str, status: int, *, headers: Headers, message: str) -> CallError:
    """Our error for a vendor's refusal or failure, by its status first."""
    if status in {401, 402, 403}:
        return ProviderAuth(
            f"provider {provider} refuses our key or account (status {status})",
            hint="the operator must check the provider's key",
        )
    if status == 429:
        return ProviderRateLimited(
            f"provider {provider} limits our rate: {message}" if message else f"provider {provider} limits our rate",
            hint="this is the provider's limit, not this gateway's; try later",
            retry_after=retry_after(headers) or 1.0,
        )
    if status == 408:
        return ProviderTimeout(f"provider {provider} gave up waiting (status 408)", hint="try again")
    said = f": {message}" if message else ""
    return ProviderError(f"provider {provider} answered {status}{said}", retry_after=retry_after(headers))


def retry_after(headers: Headers) -> float | None:
    """Seconds that an answer asks to wait, at most a day; None when it does not, or not in a way that can be read.

    `retry-after-ms` is the finer one (OpenAI, Azure). A date counts from the answer's own `date`, not from our clock.
    """
    said = {name: value.decode("latin-1") for name, value in headers if name in _WAITS}
    try:
        if b"retry-after-ms" in said:
            return _bounded(float(said[b"retry-after-ms"]) / 1000)
        if b"retry-after" in said:
            return _bounded(float(said[b"retry-after"]))
    except ValueError:
        pass
    try:
        until, since = (parsedate_to_datetime(said[name]) for name in (b"retry-after", b"date"))
        return _bounded((until - since).total_seconds())
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return max(0.0, min(seconds, 86400.0))
