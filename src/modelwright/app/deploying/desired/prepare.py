"""What a description needs of this machine: the manifest, its models' files, the secrets' values; it looks them up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from modelwright.app.deploying.reach import target_of
from modelwright.app.deploying.sections.targets import TargetSection
from modelwright.app.manifest.load import LoadedManifest, load_manifest
from modelwright.app.manifest.sections.models import in_versions
from modelwright.app.models.office import ModelOffice
from modelwright.app.secret_stores.reading import Reading, stores_of
from modelwright.app.settings.settings import PEPPER_NAME, Settings
from modelwright.app.sources.located import Located
from modelwright.app.sources.reference import PATH, form_of
from modelwright.app.sources.sources import Sources
from modelwright.app.system import SystemClock
from modelwright.app.workers.upstream_tls import upstream_tls
from modelwright.core.errors.starting import StartError


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A manifest for one environment, with all that it names."""

    loaded: LoadedManifest
    target: TargetSection
    located: Mapping[str, Located]
    """By model and by step, as app/sources has it."""
    secrets: Mapping[str, str] = field(repr=False)
    """Their values, by the names in references."""
    pepper: str = field(default="", repr=False)
    """Of keys, where it was configured; empty: the environment has one of its own."""

    def secret(self, name: str) -> str:
        """Its value; raises StartError."""
        if name not in self.secrets:
            raise StartError(f"the secret {name} is not set", hint=f"set {name}")
        return self.secrets[name]


def prepare(manifest: Path, *, environment: str | None = None) -> Prepared:
    """Blocks, perhaps for long: models that lie elsewhere are brought here.

    Raises ManifestError for all that is wrong or missing, DeployError without a target, StartError and what
    app/sources raises.
    """
    loaded = load_manifest(manifest, environment=environment, deploying=True)
    target = target_of(loaded.manifest, environment=loaded.environment)
    settings, reading = _settings(loaded)
    try:
        secrets = {name: value for name in loaded.secrets if (value := settings.secret(name))}
        pepper = settings.secret(PEPPER_NAME) or ""
    finally:
        reading.close()
    located = _located(loaded)
    here = {found.source: Path(found.path) for found in located.values() if form_of(found.source) != PATH}
    whole = loaded.complete(here) if here and loaded.complete is not None else loaded
    return Prepared(loaded=whole, target=target, located=located, secrets=secrets, pepper=pepper)


def _settings(loaded: LoadedManifest) -> tuple[Settings, Reading]:
    """With what stores hold; those are asked only when there are any."""
    reading = Reading(loaded, stores_of(loaded))
    if loaded.manifest.secrets:
        reading.refresh(SystemClock())
        reading.demand()
    handed = reading.values() if loaded.manifest.secrets else {}
    return Settings(loaded.base_dir, environment=loaded.environment, handed=handed.get), reading


def _located(loaded: LoadedManifest) -> Mapping[str, Located]:
    loaded.state_dir.mkdir(mode=0o700, exist_ok=True)
    office = ModelOffice(loaded.state_dir, manifest=loaded.path, environment=loaded.environment)
    settings = Settings(loaded.base_dir, environment=loaded.environment)
    sources = Sources(
        loaded.state_dir,
        loaded.base_dir,
        section=loaded.manifest.store.artifacts,
        look_up=office.show,
        tls=upstream_tls(settings, loaded.base_dir),
    )
    return sources.of(in_versions(loaded.manifest.models))
