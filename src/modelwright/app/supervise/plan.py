"""From a manifest to the parts that serve it, as values; it reads no file and starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from modelwright.app.manifest.load import LoadedManifest
from modelwright.app.manifest.rules.operations import running
from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.sections.models import FIRST, ModelSection, PrioritiesSection, ScaleSection, in_versions
from modelwright.app.parts import GrpcPart, LevelsPart, ModelPart, PartSpec
from modelwright.app.pipelines.plan import pipeline_part
from modelwright.app.plugins import EngineRow, engine_row
from modelwright.app.resources.wants import wants_of, wants_together
from modelwright.app.snapshot import worker_name
from modelwright.app.sources.located import Located
from modelwright.app.supervise.fleet.units import Unit
from modelwright.app.supervise.fleet.variables import Resolve, resolved
from modelwright.core.quantities import parse_duration, parse_size
from modelwright.core.scaling import ScaleRule

GRPC = "grpc-0"


def plan_parts(loaded: LoadedManifest, *, common: PartSpec) -> tuple[PartSpec, ...]:
    """The gRPC door, if any, gateways and control; `common` is what all parts share, their names and kinds aside."""
    gateways = [_part(common, name, kind="gateway") for name in gateway_names(loaded.manifest)]
    if loaded.manifest.gateway.grpc is not None:
        gateways.insert(0, _grpc(loaded.manifest, common))
    database = loaded.manifest.store.database
    control = _part(common, "control", kind="control")
    return (*gateways, msgspec.structs.replace(control, database=database.reveal() if database else ""))


def plan_units(
    loaded: LoadedManifest,
    *,
    common: PartSpec,
    cores: int,
    checks: Mapping[str, str] | None = None,
    located: Mapping[str, Located] | None = None,
    resolve: Resolve = str,
) -> tuple[Unit, ...]:
    """The models with what their processes are handed; they share `cores`.

    `checks` holds the JSON body of each model's check; `located` says where each model's source was found; `resolve`
    knows secrets, and raises StartError for one that is missing.
    """
    threads = share_threads(loaded.manifest, cores)
    models = running(loaded.manifest)

    def part(name: str) -> ModelPart:
        check = (checks or {}).get(name, "")
        return _model(loaded, name, threads=threads[name], check=check, located=located or {}, resolve=resolve)

    groups = {group: tuple(part(name) for name in names) for group, names in groups_of(models).items()}
    alone = tuple(
        Unit(
            name=name,
            spec=msgspec.structs.replace(
                _part(common, "", kind="serving", model=part(name)), wants=wants_of(model.resources)
            ),
            scale=scale_rule(model.scale),
            shares=not (model.engine.threads or model.resources.cpu),
        )
        for name, model in models.items()
        if not model.placement.group
    )
    together = tuple(
        Unit(
            name=group,
            spec=msgspec.structs.replace(
                _part(common, "", kind="serving"),
                group=members,
                wants=wants_together([models[one.model].resources for one in members]),
            ),
        )
        for group, members in groups.items()
    )
    return (*alone, *together)


def groups_of(models: Mapping[str, ModelSection]) -> dict[str, list[str]]:
    """Names of the models of each placement group."""
    found: dict[str, list[str]] = {}
    for name, model in models.items():
        if model.placement.group:
            found.setdefault(model.placement.group, []).append(name)
    return found


def part_names(manifest: Manifest) -> list[str]:
    """The names that the parts have at first."""
    models = running(manifest)
    most = {label: scale_rule(one.scale).most for label, one in models.items() if not one.placement.group}
    most |= dict.fromkeys(groups_of(models), 1)
    serving = [worker_name(label, number) for label in most for number in range(most[label])]
    grpc = [] if manifest.gateway.grpc is None else [GRPC]
    return [*grpc, *gateway_names(manifest), *serving, "control"]


def gateway_names(manifest: Manifest) -> list[str]:
    """One per gateway process."""
    return [f"gateway-{number}" for number in range(manifest.gateway.workers)]


def _grpc(manifest: Manifest, common: PartSpec) -> PartSpec:
    gateway = manifest.gateway
    told = GrpcPart(
        gateways=tuple(gateway_names(manifest)),
        max_body=parse_size(gateway.max_body),
        max_calls=gateway.workers * gateway.max_in_flight,
    )
    return msgspec.structs.replace(_part(common, GRPC, kind="grpc"), grpc=told)


def share_threads(manifest: Manifest, cores: int) -> dict[str, int]:
    """Compute threads of every version of a model: what it asks for, otherwise an even share of the rest."""
    models = running(manifest)
    asked = {name: _threads(model) or (1 if model.placement.group else 0) for name, model in models.items()}
    replicas = {name: scale_rule(model.scale).most for name, model in models.items()}
    together = {group: max(asked[name] for name in names) for group, names in groups_of(models).items()}
    alone = {name: threads for name, threads in asked.items() if not models[name].placement.group}
    left = cores - sum(together.values()) - sum(threads * replicas[name] for name, threads in alone.items())
    sharing = sum(replicas[name] for name, threads in asked.items() if threads == 0)
    share = max(1, left // sharing) if sharing else 0
    return {name: threads or share for name, threads in asked.items()}


def _threads(model: ModelSection) -> int:
    """As it says itself, otherwise as many as it has processors; 0: it says neither."""
    return model.engine.threads or wants_of(model.resources).threads


def _device(section: ModelSection) -> str:
    """With a GPU of its own it computes there, unless it says where."""
    stated = "device" in section.engine.model_fields_set or section.pipeline is not None
    return "cuda:0" if wants_of(section.resources).any_gpu and not stated else section.engine.device


def scale_rule(section: ScaleSection) -> ScaleRule:
    """The manifest's words as a rule."""
    return ScaleRule(
        least=section.min,
        most=max(section.max, section.min, 1),
        in_flight=section.on.in_flight,
        latency=parse_duration(section.on.latency) if section.on.latency else 0.0,
        idle=parse_duration(section.idle),
    )


def _part(common: PartSpec, name: str, *, kind: str, model: ModelPart | None = None) -> PartSpec:
    return msgspec.structs.replace(common, name=name, kind=kind, model=model)


def _model(
    loaded: LoadedManifest,
    name: str,
    *,
    threads: int,
    check: str,
    located: Mapping[str, Located],
    resolve: Resolve,
) -> ModelPart:
    section = in_versions(loaded.manifest.models)[name]
    row, found = engine_row(loaded.engines[name]), located.get(name)
    part = ModelPart(
        model=name.partition("@")[0],
        version=section.version or FIRST,
        on_demand=section.scale.min == 0,
        engine=row.kind,
        wire=row.wire,
        path=found.path if found else str(loaded.source(name)) if section.source else "",
        digest=found.digest if found else section.digest,
        promised=found.promised if found else bool(section.digest),
        marks=found.marks if found else "",
        threads=threads,
        precision=section.engine.precision,
        device=_device(section),
        options=_options(section, row),
        check=check,
        labels=str(loaded.labels(name) or ""),
        max_rows=section.batching.max_rows,
        queue_rows=section.batching.queue_rows,
        queue_bytes=parse_size(section.batching.queue_bytes),
        tune=section.batching.tune == "auto",
        levels=_levels(section.batching.priorities),
        max_sequences=section.batching.max_sequences,
        max_body=parse_size(loaded.manifest.gateway.max_body),
        concurrency=section.engine.concurrency,
        timeout=parse_duration(section.engine.timeout),
        env=resolved(section.engine.env, place=f"models.{name.partition('@')[0]}", resolve=resolve),
    )
    if section.pipeline is None:
        return part

    def step(model: str) -> ModelPart:
        own = loaded.manifest.models[model].engine.threads
        part = _model(loaded, model, threads=own or threads, check="", located=located, resolve=resolve)
        return msgspec.structs.replace(part, device=loaded.manifest.models[model].engine.device)

    pipeline = pipeline_part(name, section.pipeline, located=located, model=step)
    return msgspec.structs.replace(part, path="", pipeline=pipeline)


def _options(section: ModelSection, row: EngineRow) -> dict[str, Any]:
    """The manifest's, with what engines of this kind are told beside."""
    options: dict[str, Any] = dict(section.engine.options)
    if row.wire == "openai":
        options["context"] = section.engine.context
        options["cache"] = parse_size(section.engine.cache)
        options["max_sequences"] = section.batching.max_sequences
    return options | _server_options(section) if row.server else options


def _levels(section: PrioritiesSection | None) -> LevelsPart | None:
    if section is None:
        return None
    return LevelsPart(
        count=section.levels,
        default=section.default or section.levels,
        patience=section.patience,
        queue_rows={int(level): rows for level, rows in section.queue_rows.items()},
    )


def _server_options(section: ModelSection) -> dict[str, Any]:
    """What an engine with a server of its own is told beside; a precision only when somebody has said one."""
    engine = section.engine
    return {
        "command": engine.command,
        "arguments": engine.arguments,
        "load_timeout": parse_duration(engine.load_timeout),
        "precision": engine.precision if "precision" in engine.model_fields_set else "",
        "queue_rows": section.batching.queue_rows,
    }
