"""The manifest's section `apps`: the user's own programs, deployed beside the gateway."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelwright.app.deploying.sections.instances import GateSection, Prefix, ShareSection
from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.models import Variable
from modelwright.app.manifest.sections.section import Duration, Section


class AppSection(Section):
    """A program of yours; `modelwright up` starts none, a deploy runs it on the target."""

    build: str = Field(default="", description="Folder that its image is built from; a Python or a Node project.")
    image: str = Field(default="", description="Instead, an image that is there, best by digest: name@sha256:….")
    port: int = Field(default=0, ge=0, le=65535, description="That it listens on; 0: none, as a worker of queues.")
    health: Prefix = Field(default="/", description="Path that answers 200 once it is ready.")
    replicas: int = Field(default=1, ge=1, le=64, description="How many of it run.")
    command: str = Field(default="", description="What is run instead of the image's own command.")
    release_command: str = Field(
        default="", description="What is run once for each release, before it gets traffic, such as migrations."
    )
    env: dict[Variable, Secret] = Field(
        default_factory=dict,
        description="Its variables, as text, ${secret:NAME}, ${service:postgres.url}, ${gateway:url} or ${key:NAME}. "
        "Those with secrets are files under /run/secrets/env, named by NAME_FILE; never shown.",
    )
    resources: ShareSection = Field(default_factory=ShareSection, description="What each instance gets of the machine.")
    grace: Duration = Field(default="30s", description="Time that its running calls may take to end.")
    gate: GateSection = Field(default_factory=GateSection, description="What proves that it is ready.")

    @property
    def made_of(self) -> Literal["build", "image", ""]:
        """Where its image comes from; empty: nobody said."""
        return "build" if self.build else "image" if self.image else ""
