"""Contract: the manifest schema, version 1; typed and frozen, every value with a default that is right for one machine.

Sections that belong to the file but are not built in this version stand in `manifest/later.py`: they are refused with
a clear word, never accepted and ignored. What one field cannot know about another stands in `manifest/rules/`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from modelwright.app.backups.section import BackupSection
from modelwright.app.deploying.sections.apps import AppSection
from modelwright.app.deploying.sections.rollout import RolloutSection
from modelwright.app.deploying.sections.routes import RouteSection
from modelwright.app.deploying.sections.services import ServiceSection
from modelwright.app.deploying.sections.targets import TargetSection
from modelwright.app.manifest.sections.access import AccessSection
from modelwright.app.manifest.sections.endpoints import EndpointSection
from modelwright.app.manifest.sections.installation import GatewaySection, ObserveSection, StoreSection
from modelwright.app.manifest.sections.models import ModelSection
from modelwright.app.manifest.sections.prompts import PromptSection
from modelwright.app.manifest.sections.providers import ProviderSection
from modelwright.app.manifest.sections.section import Name, Section
from modelwright.app.packaging.section import BuildSection
from modelwright.app.secret_stores.section import SecretStoreSection
from modelwright.app.tasks.section import TasksSection

SCHEMA_VERSION = 1


class Manifest(Section):
    """`modelwright.yaml`, resolved for one environment."""

    schema_version: Literal[1] = Field(alias="schema", description="Version of this file's format.")
    name: Name = Field(description="What this installation is called.")
    models: dict[Name, ModelSection] = Field(default_factory=dict, description="Artifacts of yours, by name.")
    providers: dict[Name, ProviderSection] = Field(
        default_factory=dict, description="APIs that somebody serves, by name."
    )
    secrets: dict[Name, SecretStoreSection] = Field(
        default_factory=dict, description="Where secrets are kept, by name; looked into in this order."
    )
    prompts: dict[Name, PromptSection] = Field(
        default_factory=dict, description="Templates for what models are told, in versions, by name."
    )
    endpoints: dict[Name, EndpointSection] = Field(
        default_factory=dict, description="Names that clients call; a model without one gets one of its own name."
    )
    access: AccessSection = Field(default_factory=AccessSection, description="Who may call.")
    gateway: GatewaySection = Field(default_factory=GatewaySection, description="The doors.")
    tasks: TasksSection | None = Field(
        default=None, description="Let calls be left here to be made later; left out: nobody can."
    )
    store: StoreSection = Field(default_factory=StoreSection, description="Where state is kept.")
    build: BuildSection = Field(default_factory=BuildSection, description="How images are made.")
    backup: BackupSection = Field(
        default_factory=BackupSection, description="What `modelwright backup` does by itself."
    )
    observe: ObserveSection = Field(default_factory=ObserveSection, description="What is told about calls.")
    apps: dict[Name, AppSection] = Field(
        default_factory=dict, description="Programs of yours, by name; a deploy runs them on the target."
    )
    services: dict[Name, ServiceSection] = Field(
        default_factory=dict,
        description="postgres, redis, prometheus, grafana: kept on the target beside the programs.",
    )
    routes: dict[Name, RouteSection] = Field(
        default_factory=dict, description="Ways in through the edge of the target, by name."
    )
    targets: dict[Name, TargetSection] = Field(
        default_factory=dict, description="Places where a deploy runs things, by name; `modelwright up` needs none."
    )
    rollout: RolloutSection = Field(
        default_factory=RolloutSection, description="How traffic goes over to a new release; best set by environment."
    )
    target: Name | Literal[""] = Field(
        default="", description="The place that this environment is deployed to; best set under `environments`."
    )
    environments: dict[Literal["development", "test", "production"], dict[str, Any]] = Field(
        default_factory=dict,
        description="Overlays chosen by --env: maps merge, lists replace, null deletes.",
    )
