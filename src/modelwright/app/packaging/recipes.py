"""From a manifest to the recipes of its images: its own programs, and Modelwright with what its models need."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.manifest.rules.operations import has_gateway
from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.sections.models import in_versions
from modelwright.app.packaging.folders import project_in
from modelwright.app.packaging.wheel import running_version, running_wheel
from modelwright.app.plugins import TOKENIZE, engine_row
from modelwright.app.sources.reference import S3, form_of
from modelwright.core.deploying.images import Recipe
from modelwright.core.errors.deploying import BuildFailed
from modelwright.deploy.images.locked import locked, wanted
from modelwright.deploy.images.own import Flavour, own_recipe
from modelwright.deploy.images.programs import Bases, Wanted, program_recipe

GATEWAY = "gateway"
"""The workload that runs the manifest's models and endpoints."""
KEEPER = "keeper"
"""The one that a target has beside: the same program, without engines."""
_HERE = Path(__file__).parent


def recipes(loaded: LoadedManifest, *, names: Sequence[str] = ()) -> tuple[Recipe, ...]:
    """Of these workloads, or of all; raises BuildFailed for a name that has no image of ours."""
    programs = [name for name, app in loaded.manifest.apps.items() if app.build]
    known = (*((GATEWAY,) if has_gateway(loaded.manifest) else ()), KEEPER, *programs)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise BuildFailed(f"{unknown[0]} has no image that is built here", hint=f"one of {', '.join(known)}")
    wanted = [name for name in known if name in (names or known)]
    return tuple(_recipe(loaded, name) for name in wanted)


def _recipe(loaded: LoadedManifest, name: str) -> Recipe:
    build = loaded.manifest.build
    if name in {GATEWAY, KEEPER}:
        flavour = flavour_of(loaded) if name == GATEWAY else Flavour()
        return own(flavour, name=name, base=build.python)
    app = loaded.manifest.apps[name]
    folder = Path(os.path.normpath(loaded.base_dir / app.build))
    project, ignore = project_in(folder, place=f"apps.{name}.build")
    wanted = Wanted(
        name=name,
        project=loaded.manifest.name,
        folder=str(folder),
        port=app.port,
        health=app.health,
        command=tuple(shlex.split(app.command)),
    )
    bases = Bases(python=build.python, node=build.node, nginx=build.nginx)
    return program_recipe(wanted, project, bases=bases, ignore=ignore)


def flavour_of(loaded: LoadedManifest) -> Flavour:
    """What its models and doors need; raises BuildFailed for an engine that no image of ours can hold."""
    extras, packages, cuda = set[str](loaded.manifest.build.extras), set[str](), False
    for model, kind in loaded.engines.items():
        row = engine_row(kind)
        if row.server:
            hint = "run its server elsewhere, and name it under providers"
            raise BuildFailed(
                f"{kind} has a server of its own, which no image holds", hint=hint, place=f"models.{model}"
            )
        extras |= {row.extra} - {""}
        packages |= set(row.packages.split())
        section = loaded.manifest.models[model.partition("@")[0]]
        if section.pipeline is not None and any(step.tokenize for step in section.pipeline.steps.values()):
            extras.add(TOKENIZE.extra)
        cuda = cuda or section.engine.device.startswith("cuda")
    if loaded.manifest.gateway.grpc is not None:
        extras.add("grpc")
    if _speaks_to_aws(loaded.manifest):
        extras.add("aws")
    return Flavour(extras=tuple(sorted(extras)), packages=tuple(sorted(packages)), cuda=cuda)


def _speaks_to_aws(manifest: Manifest) -> bool:
    places = (manifest.store.artifacts.at, *(model.source for model in in_versions(manifest.models).values()))
    return any(store.kind == "aws" for store in manifest.secrets.values()) or S3 in map(form_of, places)


def own(flavour: Flavour, *, name: str, base: str) -> Recipe:
    """An image of the Modelwright that runs here."""
    closures = json.loads((_HERE / "extras.json").read_text("utf-8"))
    lock = (_HERE / "requirements.txt").read_text("utf-8")
    needed = locked(lock, wanted(closures, flavour.extras))
    return own_recipe(flavour, name=name, version=running_version(), base=base, wheel=running_wheel(), lock=needed)
