"""Contract: the manifest schema, version 1; typed and frozen, every value with a default that is right for one machine.

Sections that belong to the file but are not built in this version stand in `manifest/later.py`: they are refused with
a clear word, never accepted and ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SCHEMA_VERSION = 1

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
"""A DNS label: names end up in host names, socket files and metric labels."""

EngineKind = Literal["onnxruntime", "openvino-llm", "toy-tensor", "toy-text"]


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys are faults."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class EngineSection(Section):
    """Which engine runs the model, and how."""

    kind: EngineKind | None = Field(None, description="Engine; by default chosen from the file's content.")
    threads: int = Field(0, ge=0, le=256, description="Compute threads; 0 shares the machine's cores among the models.")
    precision: Literal["f32", "bf16", "f16"] = Field("f32", description="Compute precision; never chosen silently.")
    context: int = Field(
        0, ge=0, description="Text models: tokens of prompt and answer together; 0 is the model's own."
    )
    cache: str = Field("256MiB", description="Text models: memory for the key-value cache.")
    options: dict[str, Any] = Field(default_factory=dict, description="Settings handed to the engine as they are.")


class BatchingSection(Section):
    """How requests are joined and how many may wait."""

    max_rows: int = Field(
        32, ge=1, le=65536, description="Rows of one engine call; larger requests are split and rejoined."
    )
    queue_rows: int = Field(256, ge=1, description="Rows that may wait; one more is answered 429.")
    queue_bytes: str = Field("256MiB", description="Bytes that may wait.")
    max_sequences: int = Field(16, ge=1, le=1024, description="Text models: answers that run at once.")


class ScaleSection(Section):
    """How many processes serve the model."""

    min: int = Field(1, ge=1, le=64, description="Replicas, one process each.")


class ModelSection(Section):
    """An artifact of ours."""

    source: str = Field(description="Path of the model file, relative to the manifest.")
    digest: str = Field("", pattern=r"^(sha256:[0-9a-f]{64})?$", description="Refuse to load anything else.")
    check: str = Field("", description="Path of a real request (JSON) that proves readiness.")
    engine: EngineSection = Field(default_factory=EngineSection)
    batching: BatchingSection = Field(default_factory=BatchingSection)
    scale: ScaleSection = Field(default_factory=ScaleSection)


class ProviderSection(Section):
    """An API that somebody serves."""

    kind: str = Field(description="A row of the provider table, such as openai, deepseek or vllm.")
    base_url: str = Field("", description="Address of the API; by default the row's own.")
    keys: list[str] = Field(default_factory=list, description="API keys, as ${secret:NAME}.")
    optional: bool = Field(False, description="Off, and said so, while one of its variables is missing.")
    options: dict[str, str] = Field(default_factory=dict, description="What the vendor asks for, such as api_version.")


class VariantSection(Section):
    """One way to answer an endpoint: `provider` and `model`, or `serve`."""

    provider: str = Field("", description="Name under providers.")
    model: str = Field("", description="The provider's own name of the model.")
    serve: str = Field("", description="Name under models.")
    weight: float = Field(1.0, ge=0, description="Share of traffic, relative to the other variants.")


class SplitSection(Section):
    """Whose hash chooses the variant."""

    by: Literal["user", "key", "tenant", "call"] = "user"
    header: str = Field("", description="Header that names the user; otherwise the body's user field, then the key.")


class TimeoutSection(Section):
    """Durations such as 500ms, 2s, 5m."""

    connect: str = "2s"
    first_token: str = Field("60s", description="Until the first byte of the answer.")
    idle: str = Field("30s", description="Between two pieces of a stream.")
    total: str = "600s"


class EndpointSection(Section):
    """A name that clients call."""

    variants: dict[Name, VariantSection] = Field(min_length=1)
    split: SplitSection = Field(default_factory=SplitSection)
    timeout: TimeoutSection = Field(default_factory=TimeoutSection)


class AccessSection(Section):
    """Who may call."""

    auth: Literal["required", "optional", "none"] = Field("required", description="none: loopback only.")


class GatewaySection(Section):
    """The doors."""

    listen: str = Field("127.0.0.1:8000", description="Public door; port 0 picks a free one.")
    admin: str = Field("127.0.0.1:8001", description="Admin API and /metrics; port 0 picks a free one.")
    workers: int = Field(1, ge=1, le=64, description="Gateway processes.")
    max_body: str = Field("32MiB", description="Largest request body.")
    max_in_flight: int = Field(1024, ge=1, description="Calls that one worker holds at once; one more is answered 429.")


class StoreSection(Section):
    """Where state is kept."""

    database: Literal["sqlite"] = "sqlite"
    redis: Literal["none"] = "none"


class LogSection(Section):
    """Log lines."""

    format: Literal["json"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"


class ObserveSection(Section):
    """What is told about calls; content never is."""

    log: LogSection = Field(default_factory=LogSection)


class Manifest(Section):
    """`modelwright.yaml`, resolved for one environment."""

    schema_version: Literal[1] = Field(alias="schema", description="Version of this file's format.")
    name: Name
    models: dict[Name, ModelSection] = Field(default_factory=dict)
    providers: dict[Name, ProviderSection] = Field(default_factory=dict)
    endpoints: dict[Name, EndpointSection] = Field(default_factory=dict)
    access: AccessSection = Field(default_factory=AccessSection)
    gateway: GatewaySection = Field(default_factory=GatewaySection)
    store: StoreSection = Field(default_factory=StoreSection)
    observe: ObserveSection = Field(default_factory=ObserveSection)
    environments: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Overlays for development, test and production: maps merge, lists replace, null deletes.",
    )
