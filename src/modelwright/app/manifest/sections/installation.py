"""The parts around the calls: doors, stores, what is told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.section import Address, Network, Section, Size
from modelwright.app.sources.section import ArtifactsSection


def _none(text: Any) -> Any:
    return None if text == "none" else text


def _file(text: Any) -> Any:
    return None if text == "sqlite" else text


Redis = Annotated[Secret | None, BeforeValidator(_none), WithJsonSchema({"type": "string", "minLength": 1})]
"""An address of Redis, or `none`."""
Database = Annotated[Secret | None, BeforeValidator(_file), WithJsonSchema({"type": "string", "minLength": 1})]
"""An address of PostgreSQL, or `sqlite`."""


class GatewaySection(Section):
    """The doors."""

    listen: Address = Field(default="127.0.0.1:8000", description="Public door; port 0 picks a free one.")
    admin: Address = Field(default="127.0.0.1:8001", description="Admin API and /metrics; port 0 picks a free one.")
    grpc: Address | None = Field(default=None, description="Door of the V2 protocol over gRPC, such as 127.0.0.1:8081.")
    trusted_proxies: tuple[Network, ...] = Field(
        default=(),
        strict=False,
        description="Networks of proxies whose X-Forwarded-For tells a client's address, such as 10.0.0.0/8.",
    )
    workers: int = Field(default=1, ge=1, le=64, description="Gateway processes.")
    max_body: Size = Field(default="32MiB", description="Largest request body.")
    max_in_flight: int = Field(
        default=1024, ge=1, le=1 << 20, description="Calls that one worker holds at once; one more is answered 429."
    )


class StoreSection(Section):
    """Where state is kept."""

    database: Database | None = Field(
        default=None,
        description="sqlite, a file in the state directory, or PostgreSQL for several hosts: ${secret:DATABASE_URL}.",
    )
    redis: Redis | None = Field(
        default=None,
        description="Where workers share limits and kept answers, as ${secret:REDIS_URL}; none: each has its own.",
    )
    cache: Size = Field(default="64MiB", description="Memory of each gateway worker for kept answers.")
    artifacts: ArtifactsSection = Field(
        default_factory=ArtifactsSection,
        description="Where the registry's models are kept, and how those that are fetched are held here.",
    )


class LogSection(Section):
    """Log lines."""

    format: Literal["json"] = Field(default="json", description="One JSON object per line.")
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level of messages; a line per request is always written."
    )


class ObserveSection(Section):
    """What is told about calls; content never is."""

    log: LogSection = Field(default_factory=LogSection, description="Log lines.")
