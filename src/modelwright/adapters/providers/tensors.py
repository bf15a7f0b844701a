"""The dialect of servers of the Open Inference Protocol (V2) elsewhere, such as Triton or another Modelwright."""

from __future__ import annotations

from urllib.parse import quote

from modelwright.adapters.providers.openai_compatible import PASSED_ON, Vendor, failure_of, read_base_url
from modelwright.core.contracts.snapshot import ProviderEntry
from modelwright.core.errors.calls import CallError, Unprocessable
from modelwright.core.ports.http import Headers, UpstreamRequest
from modelwright.core.ports.providers import AnswerHead, Outbound, Spoken
from modelwright.core.wire import openai

_HEADERS = ((b"accept-encoding", b"identity"), (b"user-agent", b"modelwright"))
_NOTHING = AnswerHead()


class TensorDialect:
    """Speaks to one base URL, `/v2` at its end or not; a model is called by its name there, or as `name@version`."""

    def __init__(self, entry: ProviderEntry, base_url: str, vendor: Vendor) -> None:
        self._name = entry.name
        self._operations = vendor.operations
        self._origin, prefix = read_base_url(base_url, place=f"provider {entry.name}")
        self._models = f"{prefix.removesuffix('/v2')}/v2/models/"
        self.spoken: dict[str, Spoken] = {}

    def request(self, call: Outbound) -> UpstreamRequest:
        if call.operation not in self._operations:
            raise Unprocessable(
                f"provider {self._name} does not answer {call.operation}",
                hint=f"it answers {', '.join(sorted(self._operations))}",
            )
        name, _, version = call.model.partition("@")
        if version and call.version not in {"", version}:
            raise Unprocessable(f"this model has no version {call.version[:64]!r}", hint="leave it out")
        version = version or call.version
        place = quote(name, safe="") + (f"/versions/{quote(version, safe='')}" if version else "")
        key = ((b"authorization", b"Bearer " + call.api_key.encode()),) if call.api_key else ()
        return UpstreamRequest(
            origin=self._origin,
            method="POST",
            target=f"{self._models}{place}/infer",
            headers=(*_HEADERS, *key, *call.headers),
            body=call.body,
        )

    def failure(self, status: int, headers: Headers, body: bytes) -> CallError | None:
        if status in PASSED_ON:
            return None
        return failure_of(self._name, status, headers=headers, message=openai.error_message(body))

    def answer(self, body: bytes) -> AnswerHead | None:
        return _NOTHING if body.lstrip().startswith(b"{") else None

    def event(self, data: bytes) -> AnswerHead:
        return _NOTHING
