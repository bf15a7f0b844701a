"""The manifest's section `targets`: where a deploy runs things."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from modelwright.app.manifest.sections.prices import Amount, Currency
from modelwright.app.manifest.sections.section import Address, Section

_ENGINE = r"^(unix:///\S+|ssh://\S+|tcp://\S+)$"


class PublishSection(Section):
    """Addresses of the host that lead to the edge."""

    http: Address | Literal[""] = Field(default="0.0.0.0:80", description="Of plain HTTP.")
    https: Address | Literal[""] = Field(default="0.0.0.0:443", description="Of HTTPS, where a route has `tls`.")


class TargetPriceSection(Section):
    """What an hour costs there; a plan says what it does to the bill, by `resources` of what runs."""

    cpu: Amount | None = Field(default=None, description="A processor.")
    memory: Amount | None = Field(default=None, description="A GiB of memory.")
    gpu: Amount | None = Field(default=None, description="A GPU.")
    currency: Currency = Field(default="USD", description="ISO 4217 code, such as USD, EUR or CNY.")


_HERE = {"http": "127.0.0.1:8080", "https": "127.0.0.1:8443"}


class TargetSection(Section):
    """A place where things run."""

    kind: Literal["docker", "local", "compose"] = Field(
        description="docker: a host with Docker; local: plain processes of this machine; compose: files for Docker "
        "Compose, which others start."
    )
    host: str = Field(
        default="unix:///var/run/docker.sock",
        pattern=_ENGINE,
        description="docker: its engine, as unix:///path, ssh://user@host or tcp://host:port.",
    )
    hosts: tuple[Annotated[str, StringConstraints(pattern=_ENGINE)], ...] = Field(
        default=(),
        max_length=32,
        strict=False,
        description="docker: the engines of several hosts, joined by `docker swarm`, in place of `host`; the first one "
        "has the edge, the services and the memory of deploys, all of them have instances of apps, and a gateway each.",
    )
    edge: Literal["haproxy", "nginx"] = Field(default="haproxy", description="What stands in front.")
    edge_image: str = Field(default="", description="Another image of it, best by digest.")
    publish: PublishSection = Field(
        default_factory=PublishSection,
        description="Addresses of the host that lead to the edge; local: by default 127.0.0.1:8080 and 127.0.0.1:8443.",
    )
    keep_releases: int = Field(default=5, ge=1, le=100, description="Releases that a rollback can go to.")
    price: TargetPriceSection = Field(
        default_factory=TargetPriceSection, description="What an hour costs there; left out, a plan says nothing of it."
    )

    @property
    def doors(self) -> PublishSection:
        """Addresses that lead to the edge, whoever has named them."""
        if self.kind != "local":
            return self.publish
        return PublishSection(**_HERE | {name: getattr(self.publish, name) for name in self.publish.model_fields_set})

    @property
    def engines(self) -> tuple[str, ...]:
        """Of all its hosts; the first one has what lasts."""
        return self.hosts or (self.host,)
