"""Contract: the manifest schema, version 1; typed and frozen, every value with a default that is right for one machine.

Sections that belong to the file but are not built in this version stand in `manifest/later.py`: they are refused with
a clear word, never accepted and ignored. What one field cannot know about another stands in `manifest/rules.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema, model_validator

from modelwright.app.manifest.secret import Secret
from modelwright.core.addresses import split_address
from modelwright.core.quantities import DURATION_PATTERN, SIZE_PATTERN, parse_duration, parse_size

SCHEMA_VERSION = 1
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A DNS label: names end up in host names, socket files and metric labels."""

EngineKind = Literal["onnxruntime", "openvino-llm", "toy-tensor", "toy-text"]


def _duration(text: str) -> str:
    if parse_duration(text) <= 0:
        raise ValueError(f"{text!r} leaves no time; write more than 0")
    return text


def _size(text: str) -> str:
    if parse_size(text) <= 0:
        raise ValueError(f"{text!r} leaves no room; write more than 0")
    return text


def _address(text: str) -> str:
    split_address(text)
    return text


Duration = Annotated[str, AfterValidator(_duration), WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})]
"""Above zero: 500ms, 2s, 5m, 1h."""
Size = Annotated[str, AfterValidator(_size), WithJsonSchema({"type": "string", "pattern": SIZE_PATTERN})]
"""Above zero: 512KiB, 32MiB, 2GiB."""
Address = Annotated[str, AfterValidator(_address), WithJsonSchema({"type": "string", "pattern": r":\d{1,5}$"})]
"""host:port; IPv6 as [::1]:8000."""
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{0,128}$", to_lower=True)]


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys are faults; it prints no values, since some may be secret."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_left_out(cls, data: Any) -> Any:
        """A key without a value means its default, as if it were not there."""
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    __str__ = __repr__


class EngineSection(Section):
    """Which engine runs the model, and how."""

    kind: EngineKind | None = Field(default=None, description="Engine; by default chosen from the file's content.")
    threads: int = Field(
        default=0, ge=0, le=256, description="Compute threads; 0 shares the machine's cores among the models."
    )
    precision: Literal["f32", "bf16", "f16"] = Field(
        default="f32", description="Compute precision; never chosen silently."
    )
    context: int = Field(
        default=0,
        ge=0,
        le=1 << 24,
        description="Text models: tokens of prompt and answer together; 0 is the model's own.",
    )
    cache: Size = Field(default="256MiB", description="Text models: memory for the key-value cache.")
    options: dict[str, Any] = Field(default_factory=dict, description="Settings handed to the engine as they are.")


class BatchingSection(Section):
    """How requests are joined and how many may wait."""

    max_rows: int = Field(
        default=32, ge=1, le=65536, description="Rows of one engine call; larger requests are split and rejoined."
    )
    queue_rows: int = Field(default=256, ge=1, le=1 << 24, description="Rows that may wait; one more is answered 429.")
    queue_bytes: Size = Field(default="256MiB", description="Bytes that may wait.")
    max_sequences: int = Field(default=16, ge=1, le=1024, description="Text models: answers that run at once.")


class ScaleSection(Section):
    """How many processes serve the model."""

    min: int = Field(default=1, ge=1, le=64, description="Replicas, one process each.")


class ModelSection(Section):
    """An artifact of ours."""

    source: str = Field(min_length=1, description="Path of the model file, relative to the manifest.")
    digest: str = Field(
        default="",
        pattern=r"^(sha256:[0-9a-f]{64})?$",
        description="Refuse to load anything else; `sha256:` and 64 hex digits.",
    )
    check: str = Field(default="", description="Path of a real request (JSON) that proves readiness.")
    engine: EngineSection = Field(default_factory=EngineSection, description="Which engine runs the model, and how.")
    batching: BatchingSection = Field(
        default_factory=BatchingSection, description="How requests are joined and how many may wait."
    )
    scale: ScaleSection = Field(default_factory=ScaleSection, description="How many processes serve the model.")


class ProviderSection(Section):
    """An API that somebody serves."""

    kind: str = Field(min_length=1, description="A row of the provider table, such as openai, deepseek or vllm.")
    base_url: str = Field(default="", description="Address of the API; by default the row's own.")
    keys: tuple[Secret, ...] = Field(
        default=(), strict=False, description="API keys, as ${secret:NAME}; several take turns. Never shown."
    )
    optional: bool = Field(default=False, description="Off, and said so, while one of its variables is missing.")
    options: dict[str, str] = Field(
        default_factory=dict, description="What the vendor asks for, such as azure-openai's api_version."
    )


class VariantSection(Section):
    """One way to answer an endpoint: `provider` and `model`, or `serve`."""

    provider: str = Field(default="", description="Name under providers.")
    model: str = Field(default="", description="The provider's own name of the model.")
    serve: str = Field(default="", description="Name under models.")
    weight: float = Field(
        default=1.0, ge=0, le=1e9, allow_inf_nan=False, description="Share of traffic, relative to the other variants."
    )


class SplitSection(Section):
    """Whose hash chooses the variant."""

    by: Literal["user", "key", "tenant", "call"] = Field(
        default="user", description="What keeps its variant: a user, an API key, a tenant; or every call by itself."
    )
    header: HeaderName = Field(
        default="", description="Header that names the user; otherwise the body's user field, then the key."
    )


class TimeoutSection(Section):
    """Durations such as 500ms, 2s, 5m."""

    connect: Duration = Field(default="2s", description="Until the connection stands.")
    first_token: Duration = Field(default="60s", description="Until the first byte of the answer.")
    idle: Duration = Field(default="30s", description="Between two pieces of a stream.")
    total: Duration = Field(default="600s", description="The whole call.")


class EndpointSection(Section):
    """A name that clients call."""

    variants: dict[Name, VariantSection] = Field(min_length=1, description="Ways to answer, by name.")
    split: SplitSection = Field(default_factory=SplitSection, description="Whose hash chooses the variant.")
    timeout: TimeoutSection = Field(default_factory=TimeoutSection, description="How long an answer may take.")


class AccessSection(Section):
    """Who may call."""

    auth: Literal["required", "optional", "none"] = Field(
        default="required", description="Whether a call needs an API key; none is for loopback only."
    )


class GatewaySection(Section):
    """The doors."""

    listen: Address = Field(default="127.0.0.1:8000", description="Public door; port 0 picks a free one.")
    admin: Address = Field(default="127.0.0.1:8001", description="Admin API and /metrics; port 0 picks a free one.")
    workers: int = Field(default=1, ge=1, le=64, description="Gateway processes.")
    max_body: Size = Field(default="32MiB", description="Largest request body.")
    max_in_flight: int = Field(
        default=1024, ge=1, le=1 << 20, description="Calls that one worker holds at once; one more is answered 429."
    )


class StoreSection(Section):
    """Where state is kept."""

    database: Literal["sqlite"] = Field(default="sqlite", description="A file in the state directory.")
    redis: Literal["none"] = Field(default="none", description="Counters and caches stay in the process.")


class LogSection(Section):
    """Log lines."""

    format: Literal["json"] = Field(default="json", description="One JSON object per line.")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level of messages; a line per request is always written."
    )


class ObserveSection(Section):
    """What is told about calls; content never is."""

    log: LogSection = Field(default_factory=LogSection, description="Log lines.")


class Manifest(Section):
    """`modelwright.yaml`, resolved for one environment."""

    schema_version: Literal[1] = Field(alias="schema", description="Version of this file's format.")
    name: Name = Field(description="What this installation is called.")
    models: dict[Name, ModelSection] = Field(default_factory=dict, description="Artifacts of yours, by name.")
    providers: dict[Name, ProviderSection] = Field(
        default_factory=dict, description="APIs that somebody serves, by name."
    )
    endpoints: dict[Name, EndpointSection] = Field(
        default_factory=dict, description="Names that clients call; a model without one gets one of its own name."
    )
    access: AccessSection = Field(default_factory=AccessSection, description="Who may call.")
    gateway: GatewaySection = Field(default_factory=GatewaySection, description="The doors.")
    store: StoreSection = Field(default_factory=StoreSection, description="Where state is kept.")
    observe: ObserveSection = Field(default_factory=ObserveSection, description="What is told about calls.")
    environments: dict[Literal["development", "test", "production"], dict[str, Any]] = Field(
        default_factory=dict,
        description="Overlays chosen by --env: maps merge, lists replace, null deletes.",
    )
