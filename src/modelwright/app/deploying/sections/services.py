"""The manifest's section `services`: databases and the like that a target keeps beside the programs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelwright.app.deploying.sections.instances import ShareSection, Version
from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.models import Variable
from modelwright.app.manifest.sections.section import Duration, Section, Size


class ServiceSection(Section):
    """One service, called by its kind; it lasts over releases, and no deploy removes its data."""

    version: Version | Literal[""] = Field(default="", description="Tag of its image; by default one that was tried.")
    image: str = Field(default="", description="Another image of it, best by digest.")
    vector: bool = Field(default=False, description="postgres: with pgvector.")
    size: Size | Literal[""] = Field(
        default="", description="Room that its data need; a plan says when it is not there."
    )
    every: Duration | Literal[""] = Field(
        default="", description="prometheus: time from one look at numbers to the next; by default 15s."
    )
    keep: Duration | Literal[""] = Field(
        default="", description="prometheus: time for which it remembers; by default 15d."
    )
    rules: str = Field(default="", description="prometheus: a file with rules of yours, beside those that come along.")
    webhook: Secret | None = Field(
        default=None, description="alertmanager: address that is sent every alert, as ${secret:NAME}. Never shown."
    )
    config: str = Field(default="", description="alertmanager: instead, a configuration file of yours.")
    secrets: dict[Variable, Secret] = Field(
        default_factory=dict,
        description="alertmanager: what that file reads at /run/secrets/NAME, as ${secret:NAME}. Never shown.",
    )
    url: Secret | None = Field(
        default=None,
        description="Address of one that runs elsewhere, as ${secret:NAME}: none is run then. Never shown.",
    )
    resources: ShareSection = Field(default_factory=ShareSection, description="What it gets of the machine.")
