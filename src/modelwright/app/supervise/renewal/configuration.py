"""One reading of the manifest as a run uses it: its parts, its snapshot and its release; it starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.manifest.schema import Manifest
from modelwright.app.parts import PartSpec
from modelwright.app.prices.book import PriceBook
from modelwright.app.secret_stores.reading import Reading
from modelwright.app.settings.own_secrets import salt
from modelwright.app.settings.settings import Settings
from modelwright.app.snapshot import base_snapshot, release_record
from modelwright.app.sources.located import Located
from modelwright.app.supervise.devices.runtime import Claim
from modelwright.app.supervise.fleet.units import Unit
from modelwright.app.supervise.fleet.variables import Resolve, only_of_models
from modelwright.app.supervise.plan import plan_parts, plan_units
from modelwright.app.system import SystemClock
from modelwright.app.whole_file import write_whole
from modelwright.core.contracts.release import Release, release_digest
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.status import PartStatus

FIXED = ("name", "gateway.listen", "gateway.admin", "gateway.grpc", "gateway.workers", "store", "observe")
"""Places of the manifest that a running site keeps as they were."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What a manifest means to a run."""

    loaded: LoadedManifest
    specs: tuple[PartSpec, ...]
    """Of all parts but those that run models."""
    units: tuple[Unit, ...]
    """The models, each with what its processes are handed."""
    snapshot: Snapshot
    release: Release
    secrets: Reading | None = None
    """What its stores of secrets hold."""

    @property
    def off(self) -> tuple[PartStatus, ...]:
        """Optional providers that are off, as parts of the status."""
        return tuple(
            PartStatus(name=provider.name, kind="provider", state="off", detail=provider.off)
            for provider in self.snapshot.providers
            if provider.off
        )

    def write(self, claim: Claim, snapshot: Snapshot | None = None) -> None:
        """Put it where control finds it, hand over its secrets, and keep the release.

        `snapshot` is ours with the sockets that are in use by now. A release is immutable, named by its content,
        written once.
        """
        file = claim.state / "releases" / f"{self.snapshot.release.partition(':')[2]}.json"
        if not file.exists():
            file.parent.mkdir(mode=0o700, exist_ok=True)
            write_whole(file, msgspec.json.encode(self.release))
        write_whole(claim.runtime / "base.json", msgspec.json.encode(snapshot or self.snapshot))
        if self.secrets is not None:
            self.secrets.take()


def configure(
    loaded: LoadedManifest,
    claim: Claim,
    *,
    located: Mapping[str, Located],
    grace: float,
    secrets: Reading | None = None,
) -> Configuration:
    """`located` says where each model's source was found, `grace` how many seconds a drain may take. Raises OSError."""
    release = release_record(loaded, {model: found.digest for model, found in located.items()})
    snapshot = base_snapshot(
        loaded,
        runtime=claim.runtime,
        release=release_digest(release),
        salt=salt(claim.state),
        prices=PriceBook(loaded.manifest, at=SystemClock().now()),
    )
    common = _common(loaded, claim, release=snapshot.release, grace=grace)
    return Configuration(
        loaded=loaded,
        specs=plan_parts(loaded, common=common),
        units=_units(loaded, common, located, resolve=_resolve(loaded, secrets)),
        snapshot=snapshot,
        release=release,
        secrets=secrets,
    )


def fixed_changes(old: Configuration, new: Configuration) -> tuple[str, ...]:
    """Places of the manifest whose change a running site cannot follow; empty when it can follow all of them."""
    before, after = old.loaded.manifest, new.loaded.manifest
    places = [place for place in FIXED if _at(before, place) != _at(after, place)]
    return (*places, *_changed_prompts(old, new), *_unhidden(old, new))


def _unhidden(old: Configuration, new: Configuration) -> tuple[str, ...]:
    """Secrets of the environment that were models' alone, which is why gateways and control were started without."""
    hidden = only_of_models(old.loaded.manifest) - only_of_models(new.loaded.manifest)
    sources = new.loaded.sources
    return tuple(f"the use of the secret {name}" for name in sorted(hidden) if sources.get(name) == "environment")


def _changed_prompts(old: Configuration, new: Configuration) -> tuple[str, ...]:
    """A version never changes, except while it is being written, in development."""
    if new.loaded.environment == "development":
        return ()
    before = old.release.prompts
    changed = (name for name, digest in new.release.prompts.items() if before.get(name, digest) != digest)
    return tuple(f"prompts.{name} (save it as a new version)" for name in changed)


def _at(manifest: Manifest, place: str) -> object:
    found: object = manifest
    for name in place.split("."):
        found = getattr(found, name)
    return found


def _common(loaded: LoadedManifest, claim: Claim, *, release: str, grace: float) -> PartSpec:
    return PartSpec(
        name="",
        kind="",
        runtime=str(claim.runtime),
        state=str(claim.state),
        base=str(loaded.base_dir),
        environment=loaded.environment,
        grace=grace,
        release=release,
        log_level=loaded.manifest.observe.log.level,
    )


def _resolve(loaded: LoadedManifest, secrets: Reading | None) -> Resolve:
    handed = secrets.values() if secrets is not None else {}
    return Settings(loaded.base_dir, environment=loaded.environment, handed=handed.get).resolve


def _units(
    loaded: LoadedManifest, common: PartSpec, located: Mapping[str, Located], *, resolve: Resolve
) -> tuple[Unit, ...]:
    checks = {model: path.read_text("utf-8") for model in loaded.engines if (path := loaded.check(model))}
    cores = loaded.machine.threads
    return plan_units(loaded, common=common, cores=cores, checks=checks, located=located, resolve=resolve)
