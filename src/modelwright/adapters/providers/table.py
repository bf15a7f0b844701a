"""The provider table: one row per vendor; what differs from the OpenAI wire stands in columns, not in code."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from modelwright.adapters.providers.anthropic import AnthropicDialect
from modelwright.adapters.providers.azure import AzureDialect
from modelwright.adapters.providers.openai_compatible import OpenAiDialect, Vendor
from modelwright.adapters.providers.serving import ServingDialect
from modelwright.adapters.providers.tensors import TensorDialect
from modelwright.core.contracts.snapshot import SERVING, ProviderEntry
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.providers import Dialect

TEXT = ("chat", "completions", "embeddings")
RESPONSES = (*TEXT, "responses")
CHAT = ("chat",)


class ProviderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of provider, as the manifest's `kind` names it."""

    kind: str
    base_url: str = ""
    """The vendor's own address; empty: the manifest must give one."""
    operations: tuple[str, ...] = TEXT
    needs_key: bool = True
    options: tuple[str, ...] = ()
    """Options that the manifest may set."""
    stream_options: bool = True
    """Whether the vendor knows `stream_options`; one that refuses unknown fields reports usage unasked."""
    limit_field: str = "max_tokens"
    """The vendor's name of the limit of tokens in a chat request that was translated."""
    dialect: Callable[[ProviderEntry, str, Vendor], Dialect] = OpenAiDialect


ROWS: tuple[ProviderRow, ...] = (
    ProviderRow(
        kind="openai",
        base_url="https://api.openai.com/v1",
        operations=RESPONSES,
        limit_field="max_completion_tokens",
    ),
    ProviderRow(
        kind="anthropic",
        base_url="https://api.anthropic.com",
        operations=("messages",),
        options=("max_tokens",),
        dialect=AnthropicDialect,
    ),
    ProviderRow(
        kind="azure-openai",
        operations=RESPONSES,
        options=("api_version",),
        limit_field="max_completion_tokens",
        dialect=AzureDialect,
    ),
    ProviderRow(kind="deepseek", base_url="https://api.deepseek.com/v1", operations=CHAT),
    ProviderRow(kind="dashscope", base_url="https://dashscope.aliyuncs.com/compatible-mode/v1"),
    ProviderRow(kind="moonshot", base_url="https://api.moonshot.cn/v1", operations=CHAT),
    ProviderRow(kind="zhipu", base_url="https://open.bigmodel.cn/api/paas/v4", operations=("chat", "embeddings")),
    ProviderRow(kind="siliconflow", base_url="https://api.siliconflow.cn/v1", operations=("chat", "embeddings")),
    ProviderRow(kind="openrouter", base_url="https://openrouter.ai/api/v1", operations=RESPONSES),
    ProviderRow(
        kind="mistral",
        base_url="https://api.mistral.ai/v1",
        operations=("chat", "embeddings"),
        stream_options=False,
    ),
    ProviderRow(kind="groq", base_url="https://api.groq.com/openai/v1", operations=("chat", "responses")),
    ProviderRow(kind="together", base_url="https://api.together.xyz/v1"),
    ProviderRow(kind="vllm", needs_key=False),
    ProviderRow(kind="tgi", needs_key=False, operations=("chat", "completions")),
    ProviderRow(kind="ollama", base_url="http://127.0.0.1:11434/v1", needs_key=False),
    ProviderRow(kind="v2", needs_key=False, operations=("infer",), dialect=TensorDialect),
)

KINDS: dict[str, ProviderRow] = {row.kind: row for row in ROWS}


def dialect(entry: ProviderEntry, base_url: str) -> Dialect:
    """The dialect of one base URL of a provider; raises StartError when kind, URL or options do not fit."""
    if entry.kind == SERVING:
        return ServingDialect(entry, base_url)
    row = KINDS.get(entry.kind)
    if row is None:
        raise StartError(
            f"unknown kind {entry.kind!r}", hint=f"one of {', '.join(sorted(KINDS))}", place=f"provider {entry.name}"
        )
    vendor = Vendor(
        operations=frozenset(row.operations), stream_options=row.stream_options, limit_field=row.limit_field
    )
    return row.dialect(entry, base_url or row.base_url, vendor)
