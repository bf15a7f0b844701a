"""The manifest's section `build`: how images are made."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelwright.app.manifest.sections.section import Section

Extra = Literal[
    "aws", "embeddings", "grpc", "images", "lightgbm", "llm", "openvino", "serving", "sklearn", "tflite", "xgboost"
]


class BuildSection(Section):
    """How images are made."""

    registry: str = Field(
        default="",
        description="Where images are pushed to, such as registry.example.com/team; left out, they stay in the engine "
        "that builds them, and are streamed to hosts.",
    )
    python: str = Field(default="python:3.11-slim", description="What Python programs and Modelwright run on.")
    node: str = Field(default="node:22-slim", description="What builds front ends.")
    nginx: str = Field(default="nginx:1.28", description="What serves front ends.")
    ca_bundle: str = Field(
        default="",
        description="PEM file of authorities that downloads' certificates may be signed by, as behind a proxy that "
        "looks inside; it is in no layer. Left out, as pip is told by PIP_CERT.",
    )
    extras: tuple[Extra, ...] = Field(
        default=(),
        strict=False,
        description="What the gateway's image holds beside what models need, such as images (files of pictures).",
    )
    network: Literal["", "host"] = Field(
        default="", description="host: steps of a build use this machine's network, as a proxy on loopback needs."
    )
    platforms: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="Such as [linux/amd64, linux/arm64]; several need docker's buildx and a registry.",
    )
    scan: tuple[Literal["pip-audit", "trivy"], ...] = Field(
        default=(), strict=False, description="Scanners that every image must pass."
    )
