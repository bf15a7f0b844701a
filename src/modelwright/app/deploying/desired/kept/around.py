"""What a service is described by, beside its own section, and what comes of it."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.deploying.desired.values import Values
from modelwright.app.deploying.sections.services import ServiceSection
from modelwright.app.deploying.sections.targets import TargetSection
from modelwright.app.manifest.load import LoadedManifest
from modelwright.core.deploying.workloads import Mount


class Around(NamedTuple):
    """What all services of an environment have in common."""

    loaded: LoadedManifest
    target: TargetSection
    values: Values
    brought: Brought

    def service(self, name: str) -> ServiceSection | None:
        """That of the manifest."""
        return self.loaded.manifest.services.get(name)

    @property
    def has_numbers_of_edge(self) -> bool:
        """HAProxy tells some; nginx has none to tell."""
        return bool(self.loaded.manifest.routes) and self.target.edge == "haproxy"

    def is_elsewhere(self, name: str) -> bool:
        """Whether a service is named that runs elsewhere."""
        section = self.service(name)
        return section is not None and section.url is not None

    def is_hidden(self, name: str) -> bool:
        """Whether its address is a secret, or holds one."""
        section = self.service(name)
        return section is not None and section.url is not None and bool(section.url.references)

    def file(self, path: str) -> Path:
        """That the manifest names."""
        return self.loaded.base_dir / path


class Parts(NamedTuple):
    """What is of one kind alone."""

    env: dict[str, str]
    mounts: tuple[Mount, ...]
    command: tuple[str, ...] = ()
    outside: bool = False
    """As workloads have it."""


def yaml(value: dict[str, Any]) -> str:
    """As a person would write it."""
    writer, text = YAML(), StringIO()
    writer.width = 4096
    writer.dump(value, text)
    return text.getvalue()
