"""Anthropic's dialect: messages at `/v1/messages`, a key header of its own, and what its failures mean."""

from __future__ import annotations

from modelwright.adapters.providers.openai_compatible import (
    PASSED_ON,
    Vendor,
    failure_of,
    read_base_url,
    retry_after,
    wire_body,
)
from modelwright.core.contracts.snapshot import ProviderEntry
from modelwright.core.errors.calls import CallError, Unprocessable
from modelwright.core.errors.providers import ProviderOverloaded
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.http import Headers, UpstreamRequest
from modelwright.core.ports.providers import AnswerHead, Outbound, Spoken
from modelwright.core.wire import anthropic

VERSION = b"2023-06-01"
MAX_TOKENS = 4096
"""The limit that a translated call gets when its client sets none; the option `max_tokens` changes it."""
_VERSION_HEADER = b"anthropic-version"
_HEADERS = (
    (b"content-type", b"application/json"),
    (b"accept-encoding", b"identity"),
    (b"user-agent", b"modelwright"),
)


class AnthropicDialect:
    """Speaks to one base URL; `/v1` may stand at its end or not."""

    def __init__(self, entry: ProviderEntry, base_url: str, vendor: Vendor) -> None:
        place = f"provider {entry.name}"
        self._name = entry.name
        self._origin, prefix = read_base_url(base_url, place=place)
        self._target = f"{prefix.removesuffix('/v1')}{anthropic.PATH}"
        limit = entry.options.get("max_tokens", str(MAX_TOKENS))
        if not limit.isdecimal() or int(limit) < 1:
            raise StartError(
                f"its option max_tokens is {limit!r}, not a number above 0", hint="such as 4096", place=place
            )
        spoken = Spoken(operation="messages", max_tokens=int(limit))
        self.spoken = {"chat": spoken, "messages": spoken, "responses": spoken}
        self._headers: dict[str, tuple[tuple[bytes, bytes], ...]] = {}
        """By key: there are as few as the entry has."""

    def request(self, call: Outbound) -> UpstreamRequest:
        if call.operation != "messages":
            raise Unprocessable(f"provider {self._name} does not answer {call.operation}", hint="it answers messages")
        headers = self._headers.get(call.api_key)
        if headers is None:
            key = ((b"x-api-key", call.api_key.encode()),) if call.api_key else ()
            headers = self._headers[call.api_key] = (*_HEADERS, *key)
        version = () if any(name == _VERSION_HEADER for name, _ in call.headers) else ((_VERSION_HEADER, VERSION),)
        return UpstreamRequest(
            origin=self._origin,
            method="POST",
            target=self._target,
            headers=(*headers, *version, *call.headers),
            body=wire_body(call),
        )

    def failure(self, status: int, headers: Headers, body: bytes) -> CallError | None:
        if status in PASSED_ON:
            return None
        message = anthropic.error_message(body)
        if status == anthropic.OVERLOADED:
            return ProviderOverloaded(
                f"provider {self._name} is overloaded",
                hint="this is the provider's state, not this gateway's; try later",
                retry_after=retry_after(headers) or 1.0,
            )
        return failure_of(self._name, status, headers=headers, message=message)

    def answer(self, body: bytes) -> AnswerHead | None:
        return anthropic.read_answer(body)

    def event(self, data: bytes) -> AnswerHead:
        return anthropic.EventHeads().read(data)
