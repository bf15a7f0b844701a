"""Loads a manifest for one environment: a frozen value that is right in every respect, or all of its faults."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from modelwright.adapters.providers.table import KINDS
from modelwright.app.artifacts.code import module_file
from modelwright.app.document.finding import in_file_order
from modelwright.app.document.parse import DocumentError, parse, read_bytes, read_text
from modelwright.app.document.tree import Node
from modelwright.app.manifest.examine import Examination, Examined
from modelwright.app.manifest.resolve import ELSEWHERE, OUTSIDE, Awaited, off_reason
from modelwright.app.manifest.rules.case import Case, Kind
from modelwright.app.manifest.rules.operations import operations
from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.sections.models import in_versions
from modelwright.app.settings.references import store_of
from modelwright.app.settings.settings import ENVIRONMENTS, STATE, Settings, chosen_environment, process_environment
from modelwright.app.sources.reference import S3, form_of
from modelwright.app.sources.section import ArtifactsSection
from modelwright.core.contracts.snapshot import Prompt
from modelwright.core.errors.tree import Fault, ManifestError, ModelwrightError
from modelwright.core.resources.machine import Machine
from modelwright.core.wire.forms import answerable

DATABASE = ("store", "database")
ARTIFACTS = "store.artifacts"
DEPLOYING = frozenset({"name", "target", "targets", "rollout"})


@dataclass(frozen=True, kw_only=True)
class LoadedManifest:
    """A manifest without faults, resolved for one environment."""

    manifest: Manifest = field(repr=False)
    path: Path
    """Absolute."""
    base_dir: Path
    """Folder of the manifest: relative paths start here."""
    state_dir: Path
    """`.modelwright` beside the manifest; it may not exist yet."""
    environment: str
    digest: str
    """`sha256:…` of the resolved content, secrets masked."""
    engines: Mapping[str, str]
    """Kind of engine by model and by `name@version`, chosen by content where the manifest names none; empty while that
    is not here.
    """
    operations: Mapping[str, tuple[str, ...]]
    """By endpoint, models that are endpoints of their own name included; in the order in which they are listed."""
    off: Mapping[str, str]
    """Optional providers that are off, and why: `set OPENAI_API_KEY`."""
    secrets: tuple[str, ...]
    """Names of the secrets that it refers to."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where a secret was found; those of stores, which are not asked here, are missing."""
    awaited: tuple[Awaited, ...] = ()
    """Secrets that stores have to hold."""
    stores_off: Mapping[str, str] = field(default_factory=dict)
    """Optional stores that are off, and why."""
    credentials: tuple[str, ...] = ()
    """Variables with what opens stores."""
    files: tuple[Path, ...]
    """What it was read from, and where its variables and secrets are looked for: some may not exist."""
    prompts: tuple[Prompt, ...] = ()
    """Every version in the prompts' folders."""
    warnings: tuple[Fault, ...] = ()
    """What works but should not stay."""
    machine: Machine = field(default_factory=Machine)
    """What there is here for its models."""
    faults: tuple[Fault, ...] = ()
    """Always empty: with faults there is no such value."""
    complete: Callable[[Mapping[str, Path]], LoadedManifest] | None = field(default=None, repr=False, compare=False)
    """(path by source) → the same reading, with files known that lay elsewhere; raises ManifestError."""

    def source(self, model: str) -> Path:
        """Absolute path of the file of a model, or of a version `name@version` of it; a class may have but its code."""
        section = in_versions(self.manifest.models)[model]
        return self._absolute(section.source or module_file(self.base_dir, section.engine.kind))

    def check(self, model: str) -> Path | None:
        """Absolute path of the check of a model, or of a version of it; None when it has none."""
        check = in_versions(self.manifest.models)[model].check
        return self._absolute(check) if check else None

    def labels(self, model: str) -> Path | None:
        """Absolute path of the names of a model's classes; None when it has none."""
        labels = in_versions(self.manifest.models)[model].labels
        return self._absolute(labels) if labels else None

    def _absolute(self, path: str) -> Path:
        return Path(os.path.normpath(self.base_dir / path))


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `check` found in all three environments."""

    environment: str
    """The one whose variables were looked up, if any were."""
    looked_up: bool = True
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    """When there are stores: where each secret is found, or which of them would be asked for it; none is asked."""


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """A manifest for one environment, of which nothing was looked up: what comes from outside is not in it."""

    manifest: Manifest = field(repr=False)
    secrets: tuple[str, ...]
    """Names of those that it refers to."""
    credentials: tuple[str, ...]
    """Variables with what opens stores."""


def sketch(path: str | Path, *, environment: str) -> Sketch:
    """For what needs no secret. Raises ManifestError."""
    reading = _Reading(Path(path), shown=str(path))
    examined = reading.examination.run(environment, None)
    faults = in_file_order([*reading.faults, *examined.faults])
    if faults or examined.case is None:
        raise ManifestError(faults)
    return Sketch(
        manifest=examined.case.manifest,
        secrets=tuple(examined.resolved.secrets),
        credentials=(*examined.resolved.credentials, *_credentials_of_libraries(examined.case.manifest)),
    )


def load_manifest(
    path: str | Path,
    *,
    environment: str | None = None,
    env: Mapping[str, str] | None = None,
    deploying: bool = False,
    without_secrets: bool = False,
) -> LoadedManifest:
    """Read, overlay, resolve and check a manifest.

    `environment` comes before MODELWRIGHT_ENV, and that before development; `env` replaces the process's variables.
    `deploying`: for a target, with all that runs there; otherwise only what `modelwright up` runs is looked up.
    `without_secrets`: nothing is, and what comes from outside is not known; such a manifest is built, not run.
    Raises ManifestError with all faults in file order, or StartError for an unknown environment.
    """
    variables = process_environment() if env is None else env
    name = chosen_environment(environment, variables)
    reading = _Reading(Path(path), shown=str(path))
    settings = reading.settings(name, variables)
    examined = reading.examination.run(name, None if without_secrets else settings, deploying=deploying)
    return _settled(reading, examined, settings=settings, deploying=deploying)


def _settled(reading: _Reading, examined: Examined, *, settings: Settings, deploying: bool) -> LoadedManifest:
    faults = in_file_order([*reading.faults, *examined.faults])
    if faults or examined.case is None:
        raise ManifestError(faults)

    def complete(here: Mapping[str, Path]) -> LoadedManifest:
        again = reading.examination.run(settings.environment, settings, here=here, deploying=deploying)
        return _settled(reading, again, settings=settings, deploying=deploying)

    return replace(_loaded(reading, examined.case, examined, settings=settings), complete=complete)


def database_of(path: str | Path, *, environment: str, env: Mapping[str, str] | None = None) -> str:
    """What `store.database` says, secrets unresolved; empty: a file. Other faults of the manifest are none here.

    Raises ManifestError when it cannot be told.
    """
    reading = _Reading(Path(path), shown=str(path))
    settings = reading.settings(environment, process_environment() if env is None else env)
    examined = reading.examination.run(environment, settings, deploying=False)
    place = ".".join(DATABASE)
    faults = tuple(fault for fault in examined.faults if fault.key == place)
    if examined.case is None or faults:
        raise ManifestError(faults or in_file_order([*reading.faults, *examined.faults]))
    database = examined.case.manifest.store.database
    return database.reveal() if database else ""


def artifacts_of(
    path: str | Path, *, environment: str | None, env: Mapping[str, str] | None = None
) -> ArtifactsSection:
    """What `store.artifacts` says. Other faults of the manifest are none here; raises ManifestError for its own."""
    variables = process_environment() if env is None else env
    name = chosen_environment(environment, variables)
    reading = _Reading(Path(path), shown=str(path))
    examined = reading.examination.run(name, reading.settings(name, variables), deploying=False)
    faults = tuple(fault for fault in examined.faults if fault.key.startswith(ARTIFACTS))
    if examined.case is None or faults:
        raise ManifestError(faults or in_file_order([*reading.faults, *examined.faults]))
    return examined.case.manifest.store.artifacts


def deploying_of(path: str | Path, *, environment: str | None) -> tuple[str, Manifest]:
    """(environment, manifest), with what says where it is deployed to and how. Raises ManifestError, StartError."""
    return part_of(path, environment=environment, places=DEPLOYING)


def part_of(path: str | Path, *, environment: str | None, places: Collection[str]) -> tuple[str, Manifest]:
    """(environment, manifest), of which only faults at and below these dotted places are told: a secret may be missing.

    Raises ManifestError, StartError.
    """
    variables = process_environment()
    name = chosen_environment(environment, variables)
    reading = _Reading(Path(path), shown=str(path))
    examined = reading.examination.run(name, reading.settings(name, variables))
    begins = tuple(f"{place}." for place in places)
    faults = tuple(fault for fault in examined.faults if f"{fault.key}.".startswith(begins))
    if examined.case is None or faults:
        raise ManifestError(faults or in_file_order([*reading.faults, *examined.faults]))
    return name, examined.case.manifest


def check_manifest(
    path: str | Path,
    *,
    environment: str | None = None,
    env: Mapping[str, str] | None = None,
    without_secrets: bool = False,
) -> Report:
    """The faults of all three environments; variables are looked up for the chosen one alone, or for none.

    A fault that some environments do not have names those that have it. Raises StartError for an unknown environment.
    """
    variables = process_environment() if env is None else env
    name = chosen_environment(environment, variables)
    try:
        reading = _Reading(Path(path), shown=str(path))
        settings = reading.settings(name, variables)
    except ManifestError as error:
        return Report(environment=name, faults=error.faults)
    chosen = None if without_secrets else name
    seen = {other: reading.examination.run(other, settings if other == chosen else None) for other in ENVIRONMENTS}
    faults = _joined({other: one.faults for other, one in seen.items()})
    return Report(
        environment=name,
        looked_up=not without_secrets,
        faults=in_file_order([*reading.faults, *faults]),
        warnings=seen[name].warnings,
        secrets=_sources(seen[name]),
    )


def known_kinds() -> dict[str, Kind]:
    """The provider table, as far as the rules need it."""
    return {
        row.kind: Kind(
            base_url=row.base_url,
            operations=answerable(row.operations),
            needs_key=row.needs_key,
            options=row.options,
        )
        for row in KINDS.values()
    }


class _Reading:
    """A file that could be read as a tree; raises ManifestError otherwise."""

    def __init__(self, path: Path, *, shown: str) -> None:
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link, and state with it
        self.base = self.path.parent
        self.shown = shown
        try:
            tree, faults = parse(read_text(read_bytes(path)))
        except DocumentError as error:
            raise ManifestError((error.fault(shown),)) from None
        self.tree: Node = tree
        self.faults = [msgspec.structs.replace(fault, path=shown) for fault in faults]
        self.examination = Examination(tree, shown=shown, base=self.base, kinds=known_kinds())

    def settings(self, environment: str, env: Mapping[str, str]) -> Settings:
        """What the environment's references are looked up in; a bad `.env` file is a fault like any other."""
        try:
            return Settings(self.base, environment=environment, env=env)
        except ManifestError:
            raise
        except ModelwrightError as error:
            fault = Fault(path=self.shown, line=0, key="", problem=error.message, remedy=error.hint)
            raise ManifestError((fault,)) from None


def _sources(examined: Examined) -> dict[str, str]:
    """By name, in the order of the file; nothing when there are no stores."""
    found = examined.resolved
    if examined.case is None or not examined.case.manifest.secrets:
        return {}
    asked = ", ".join(name for name in examined.case.manifest.secrets if name not in found.stores_off)
    awaited = {one.name: f"store {store_of(one.name)[0] or asked}, not asked here" for one in found.awaited}
    everything = {**awaited, **found.sources}
    return {name: everything[name] for name in found.secrets if name in everything}


def _joined(faults: Mapping[str, tuple[Fault, ...]]) -> list[Fault]:
    where: dict[Fault, list[str]] = {}
    for environment, found in faults.items():
        for fault in found:
            where.setdefault(fault, []).append(environment)
    return [
        fault
        if len(environments) == len(faults)
        else msgspec.structs.replace(fault, problem=f"{fault.problem} (in {', '.join(environments)})")
        for fault, environments in where.items()
    ]


def _loaded(reading: _Reading, case: Case, examined: Examined, *, settings: Settings) -> LoadedManifest:
    manifest = case.manifest
    return LoadedManifest(
        manifest=manifest,
        path=reading.path,
        base_dir=reading.base,
        state_dir=reading.base / STATE,
        environment=case.environment,
        digest=_digest(manifest),
        engines={model: case.engine(model) for model in in_versions(manifest.models)},
        operations=operations(case),
        off={provider: off_reason(lacks) for provider, lacks in examined.resolved.off.items()},
        secrets=tuple(examined.resolved.secrets),
        sources=examined.resolved.sources,
        awaited=tuple(examined.resolved.awaited),
        stores_off={store: off_reason(lacks) for store, lacks in examined.resolved.stores_off.items()},
        credentials=(*examined.resolved.credentials, *_credentials_of_libraries(manifest)),
        files=(
            reading.path,
            *settings.files(tuple(examined.resolved.secrets)),
            *(reading.base / store.source for store in manifest.secrets.values() if store.source),
            *examined.resolved.credential_files,
            *(file for facts in case.prompts.values() for file in facts.files),
            *_code(manifest, reading.base, case.environment),
        ),
        prompts=tuple(prompt for facts in case.prompts.values() for prompt in facts.prompts),
        warnings=examined.warnings,
        machine=case.machine or Machine(),
    )


def _code(manifest: Manifest, base: Path, environment: str) -> Iterator[Path]:
    """What is edited while a class is being written: in development a running site follows it."""
    for section in manifest.models.values():
        code = "" if section.source else module_file(base, section.engine.kind)
        if code and environment == ENVIRONMENTS[0]:
            yield base / code


def _credentials_of_libraries(manifest: Manifest) -> tuple[str, ...]:
    """Variables that a vendor's library reads by itself."""
    by_itself = any(store.kind == "aws" and store.key is None for store in manifest.secrets.values()) or any(
        form_of(source) == S3
        for source in (manifest.store.artifacts.at, *(model.source for model in in_versions(manifest.models).values()))
    )
    return ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN") if by_itself else ()


def _digest(manifest: Manifest) -> str:
    """Of what runs here; what a target alone runs is no part of it."""
    content = manifest.model_dump(mode="json", by_alias=True, exclude={*ELSEWHERE, *OUTSIDE, "target"})
    for name, provider in manifest.providers.items():
        content["providers"][name]["keys"] = [key.shown for key in provider.keys]
    for name, model in manifest.models.items():
        content["models"][name]["engine"]["env"] = {key: value.shown for key, value in model.engine.env.items()}
    if manifest.tasks is not None:
        content["tasks"]["webhook"]["secrets"] = [secret.shown for secret in manifest.tasks.webhook.secrets]
    return "sha256:" + hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
