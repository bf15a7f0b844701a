"""What programs on a target have in common: their share of the machine, and how they prove that they are ready."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema

from modelwright.app.manifest.sections.section import Duration, Section, Size


def _text(value: Any) -> Any:
    """`16` and `7.4` are versions, too."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Version = Annotated[
    str,
    BeforeValidator(_text),
    StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$"),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]}),
]
"""An image's tag."""
Prefix = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~/%@:+-]{0,255}$")]
"""A path, and what begins with it."""


class ShareSection(Section):
    """What each instance gets of the machine; left out, as much as there is."""

    cpu: float = Field(default=0.0, ge=0, le=1024, allow_inf_nan=False, description="Processors; 0 is no bound.")
    memory: Size | Literal[""] = Field(default="", description="Memory; above it, it is ended and started again.")
    gpu: int = Field(default=0, ge=0, le=64, description="GPUs of its own.")


class GateSection(Section):
    """The request that an instance has to answer before it gets traffic."""

    path: Prefix | Literal[""] = Field(default="", description="What is asked for; by default `health`.")
    method: Literal["GET", "POST", "PUT", "HEAD"] = Field(default="GET", description="How it is asked.")
    body: str = Field(default="", max_length=64 << 10, description="What is sent.")
    status: int = Field(default=200, ge=100, le=599, description="What it has to answer.")
    deadline: Duration = Field(default="2m", description="Time from its start until it has answered so.")
    restarts: int = Field(default=0, ge=0, le=100, description="How often it may be started again meanwhile.")
