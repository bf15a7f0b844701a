"""Azure OpenAI's dialect: its own key header, and a deployment in the path where an `api_version` is set."""

from __future__ import annotations

from urllib.parse import quote

from modelwright.adapters.providers.openai_compatible import TARGETS, OpenAiDialect, Vendor, spoken_by
from modelwright.core.contracts.snapshot import ProviderEntry
from modelwright.core.ports.providers import Outbound


class AzureDialect(OpenAiDialect):
    """Base URL is the resource, such as `https://name.openai.azure.com`; the model is the deployment's name.

    With the option `api_version` the dated API is spoken (`/openai/deployments/{deployment}/…?api-version=…`), without
    it the v1 API (`/openai/v1/…`, model in the body).
    """

    def __init__(self, entry: ProviderEntry, base_url: str, vendor: Vendor) -> None:
        root = base_url.rstrip("/").removesuffix("/openai/v1").removesuffix("/openai")
        version = entry.options.get("api_version", "")
        super().__init__(entry, f"{root}/openai" if version else f"{root}/openai/v1", vendor)
        self._dated = f"api-version={quote(version)}" if version else ""
        if self._dated:  # its responses stand beside the deployments, not under them
            self.spoken = spoken_by({"chat"}, limit_field=vendor.limit_field)

    def _target(self, call: Outbound) -> str:
        target = super()._target(call)
        if not self._dated:
            return target
        tail = TARGETS[call.operation]
        return f"{target.removesuffix(tail)}/deployments/{quote(call.model, safe='')}{tail}?{self._dated}"

    def _key_headers(self, api_key: str) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"api-key", api_key.encode()),) if api_key else ()
