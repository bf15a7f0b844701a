"""The dialect of our own serving workers over a Unix socket; every error of theirs is passed on as it is."""

from __future__ import annotations

from modelwright.adapters.providers.openai_compatible import spoken_by, wire_body
from modelwright.core.contracts.snapshot import ProviderEntry
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.http import Headers, Origin, UpstreamRequest
from modelwright.core.ports.providers import AnswerHead, Outbound
from modelwright.core.wire import openai

_NOTHING = AnswerHead()
_TARGETS = {target_operation: path for path, target_operation in openai.PATHS.items()}
_JSON = (b"content-type", b"application/json")
_QUESTIONS = {"metadata": "", "ready": "/ready", "config": "/config", "statistics": "/stats"}
"""By operation, what follows the model's path."""


class ServingDialect:
    """Speaks to one replica."""

    spoken = spoken_by(_TARGETS)

    def __init__(self, entry: ProviderEntry, base_url: str) -> None:
        if not base_url.startswith("unix:/"):
            raise StartError(
                f"{base_url!r} is no worker's address", hint="unix:/path.sock", place=f"provider {entry.name}"
            )
        self._origin = Origin(scheme="unix", host=base_url.removeprefix("unix:"))

    def request(self, call: Outbound) -> UpstreamRequest:
        if call.operation in _TARGETS:
            return self._ask("POST", _TARGETS[call.operation], headers=(_JSON, *call.headers), body=wire_body(call))
        if call.operation == "alive":
            return self._ask("GET", "/readyz")
        if call.operation in {"predict", "schema"}:
            return self._plain(call)
        version = f"/versions/{call.version}" if call.version else ""
        target = f"/v2/models/{call.model}{version}"
        if call.operation == "infer":
            return self._ask("POST", f"{target}/infer", headers=call.headers, body=call.body)
        return self._ask("GET", f"{target}{_QUESTIONS[call.operation]}", headers=call.headers)

    def _plain(self, call: Outbound) -> UpstreamRequest:
        target = f"/predict/{call.model}"
        if call.operation == "schema":
            return self._ask("GET", f"{target}/openapi.json", headers=call.headers)
        return self._ask("POST", target, headers=call.headers, body=call.body)

    def failure(self, status: int, headers: Headers, body: bytes) -> CallError | None:
        return None

    def answer(self, body: bytes) -> AnswerHead | None:
        return openai.read_answer(body) or _NOTHING

    def event(self, data: bytes) -> AnswerHead:
        return openai.read_event(data)

    def _ask(
        self, method: str, target: str, *, headers: tuple[tuple[bytes, bytes], ...] = (), body: bytes = b""
    ) -> UpstreamRequest:
        return UpstreamRequest(origin=self._origin, method=method, target=target, headers=headers, body=body)
