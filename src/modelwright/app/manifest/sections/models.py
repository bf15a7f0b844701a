"""Artifacts of ours, and how they are run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, StringConstraints, ValidatorFunctionWrapHandler, WithJsonSchema, WrapValidator

from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.prices import ModelPriceSection
from modelwright.app.manifest.sections.section import Duration, Name, Section, Size
from modelwright.app.pipelines.section import PipelineSection
from modelwright.app.plugins import PYTHON
from modelwright.app.resources.section import ResourcesSection

VERSION_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"
Version = Annotated[str, StringConstraints(pattern=rf"^{VERSION_PATTERN}$")]
"""As it stands in paths and after an @."""
Level = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]?$")]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
"""A name in a process's environment."""
FIRST = "1"
"""What a version is called that has no name."""

EngineKind = Literal[
    "onnxruntime",
    "openvino",
    "tflite",
    "tensorrt",
    "xgboost",
    "lightgbm",
    "sklearn",
    "torch",
    "openvino-llm",
    "pipeline",
    "llama-server",
    "vllm",
    "tgi",
    "ollama",
    "toy-tensor",
    "toy-text",
]


def _python_or(kind: Any, known: ValidatorFunctionWrapHandler) -> Any:
    """A class of the user's, or one of the kinds that are known."""
    if not isinstance(kind, str) or not kind.startswith(PYTHON):
        return known(kind)
    if not re.fullmatch(PYTHON_PATTERN, kind):
        raise ValueError(f"{kind!r} names no class; write such as python:app.models:Greeter")
    return kind


PYTHON_PATTERN = r"^python:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
Kind = Annotated[
    EngineKind,
    WrapValidator(_python_or),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(get_args(EngineKind)), "type": "string"},
                {"type": "string", "pattern": PYTHON_PATTERN},
            ]
        }
    ),
]
"""`python:module:Class`, or a kind that comes with Modelwright."""


class EngineSection(Section):
    """Which engine runs the model, and how."""

    kind: Kind | None = Field(
        default=None,
        description="Engine, or `python:module:Class` of your own; by default chosen from the file's content.",
    )
    threads: int = Field(
        default=0, ge=0, le=256, description="Compute threads; 0 shares the machine's cores among the models."
    )
    precision: Literal["f32", "bf16", "f16"] = Field(
        default="f32", description="Compute precision; never chosen silently."
    )
    device: str = Field(
        default="cpu",
        pattern=r"^(cpu|(cuda|gpu)(:[0-9]{1,2})?)$",
        description="Where it computes: `cpu`, `cuda:0` (NVIDIA) or `gpu:0` (Intel); never another one, silently.",
    )
    context: int = Field(
        default=0,
        ge=0,
        le=1 << 24,
        description="Text models: tokens of prompt and answer together; 0 is the model's own.",
    )
    cache: Size = Field(default="256MiB", description="Text models: memory for the key-value cache.")
    concurrency: int = Field(
        default=0,
        ge=0,
        le=4096,
        description="Your own class: calls that run at once; 0 is one, or 64 when its method is `async`.",
    )
    timeout: Duration = Field(
        default="60s", description="Your own class: longest that a call, or one piece of a stream, may take."
    )
    command: list[str] = Field(
        default_factory=list,
        max_length=32,
        description="Engines with a server of their own: its program, with what comes first; found on PATH by default.",
    )
    arguments: list[str] = Field(
        default_factory=list, max_length=128, description="Engines with a server of their own: further arguments."
    )
    load_timeout: Duration = Field(
        default="10m", description="Engines with a server of their own: time until it must have answered."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Settings handed to the engine as they are.")
    env: dict[Variable, Secret] = Field(
        default_factory=dict,
        description="Your own class, or an engine with a server of its own: variables of its process alone, as text "
        "or ${secret:NAME}. Never shown.",
    )


class PrioritiesSection(Section):
    """Requests that go before others, by V2's parameter `priority`: 1 before 2, and so on."""

    levels: int = Field(ge=2, le=64, description="How many there are; 1 is the highest.")
    default: int = Field(
        default=0, ge=0, le=64, description="Level of requests that name none; 0 stands for the lowest."
    )
    patience: int = Field(
        default=16,
        ge=1,
        le=100_000,
        description="Batches after which a lower level that waits goes first.",
    )
    queue_rows: dict[Level, int] = Field(
        default_factory=dict, description="Rows of a level that may wait, within `queue_rows` of the model."
    )


class BatchingSection(Section):
    """How requests are joined and how many may wait."""

    max_rows: int = Field(
        default=32, ge=1, le=65536, description="Rows of one engine call; larger requests are split and rejoined."
    )
    queue_rows: int = Field(default=256, ge=1, le=1 << 24, description="Rows that may wait; one more is answered 429.")
    queue_bytes: Size = Field(default="256MiB", description="Bytes that may wait.")
    tune: Literal["off", "auto"] = Field(
        default="off",
        description="Tensor models: auto tries threads and rows up to these when it is loaded, and takes the best.",
    )
    priorities: PrioritiesSection | None = Field(
        default=None, description="Tensor models: requests that go before others; left out, `priority` changes nothing."
    )
    max_sequences: int = Field(default=16, ge=1, le=1024, description="Text models: answers that run at once.")


class PressureSection(Section):
    """When a model's replicas have too much to do, for more than a moment."""

    in_flight: int = Field(default=8, ge=1, le=1 << 20, description="Calls per replica, waiting ones included.")
    latency: Duration | Literal[""] = Field(default="", description="Mean time of a call; left out, any.")


class ScaleSection(Section):
    """How many processes serve the model."""

    min: int = Field(default=1, ge=0, le=64, description="Replicas, one process each; 0: the first call starts one.")
    max: int = Field(default=0, ge=0, le=64, description="Most replicas; 0 is as many as `min`, and at least one.")
    on: PressureSection = Field(default_factory=PressureSection, description="When there should be one more.")
    idle: Duration = Field(default="10m", description="Time without a call after which there are as few as `min`.")


class PlacementSection(Section):
    """With whom a model shares a process."""

    group: Name | Literal[""] = Field(
        default="", description="Small tensor models of one group share a process; left out, it has its own."
    )


class VersionSection(Section):
    """One version of a model: what is loaded, and how it is tried."""

    source: str = Field(
        min_length=1,
        description="The model's file or folder, from the manifest's; or https:// with a digest, s3://bucket/key, "
        "registry:name@version or an alias.",
    )
    digest: str = Field(
        default="",
        pattern=r"^(sha256:[0-9a-f]{64})?$",
        description="Refuse to load anything else; `sha256:` and 64 hex digits.",
    )
    check: str = Field(default="", description="Path of a real request (JSON) that proves readiness.")
    labels: str = Field(
        default="", description="Path of the names of a tensor model's classes, one a line, for V2's classification."
    )


class ModelSection(VersionSection):
    """An artifact of ours."""

    source: str = Field(
        default="",
        description="The model's file or folder, from the manifest's; or https:// with a digest, s3://bucket/key, "
        "registry:name@version or an alias. A class of your own may need none.",
    )
    pipeline: PipelineSection | None = Field(
        default=None, description="Several steps that answer as this model, instead of a file."
    )
    version: str = Field(
        default="", pattern=rf"^({VERSION_PATTERN})?$", description="What this version is called; by default 1."
    )
    versions: dict[Version, VersionSection] = Field(
        default_factory=dict, description="Other versions that are up beside this one, by name: `serve: name@version`."
    )
    engine: EngineSection = Field(default_factory=EngineSection, description="Which engine runs the model, and how.")
    batching: BatchingSection = Field(
        default_factory=BatchingSection, description="How requests are joined and how many may wait."
    )
    placement: PlacementSection = Field(default_factory=PlacementSection, description="With whom it shares a process.")
    scale: ScaleSection = Field(default_factory=ScaleSection, description="How many processes serve the model.")
    resources: ResourcesSection = Field(
        default_factory=ResourcesSection, description="What each of its processes gets of the machine."
    )
    price: ModelPriceSection | None = Field(
        default=None, description="What a second of it costs, or its tokens; left out, its calls are unpriced."
    )


def in_versions(models: Mapping[str, ModelSection]) -> dict[str, ModelSection]:
    """Every version as a model of its own: `name` for the one that stands first, `name@version` for the others."""
    found: dict[str, ModelSection] = {}
    for name, model in models.items():
        found[name] = model
        for version, section in model.versions.items():
            own = {field: getattr(section, field) for field in VersionSection.model_fields}
            found[f"{name}@{version}"] = model.model_copy(update={**own, "version": version, "versions": {}})
    return found


def place_of(label: str) -> tuple[str, ...]:
    """Where a version stands in the manifest."""
    model, _, version = label.partition("@")
    return ("models", model, "versions", version) if version else ("models", model)
