"""From a manifest to the parts that serve it, as values; it reads no file and starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from modelwright.app.manifest.schema import Manifest, ModelSection
from modelwright.app.parts import ModelPart, PartSpec
from modelwright.app.plugins import engine_row
from modelwright.core.quantities import parse_size


def plan_parts(
    manifest: Manifest,
    engines: Mapping[str, str],
    *,
    common: PartSpec,
    cores: int,
    checks: Mapping[str, str] | None = None,
) -> tuple[PartSpec, ...]:
    """Gateways, one serving part per model replica, and control, in this order.

    `engines` tells the engine kind of every model, `checks` the JSON body of its check; `common` is what all parts
    share (runtime, state, base, environment, grace, release), its name and kind aside. The models share `cores`.
    """
    threads = share_threads(manifest, cores)
    gateways = [_part(common, f"gateway-{number}", kind="gateway") for number in range(manifest.gateway.workers)]
    serving = [
        _part(common, f"serving-{name}-{number}", kind="serving", model=model)
        for name, section in manifest.models.items()
        for model in [
            _model(
                name,
                section,
                engine=engines[name],
                base=Path(common.base),
                threads=threads[name],
                max_body=parse_size(manifest.gateway.max_body),
                check=(checks or {}).get(name, ""),
            )
        ]
        for number in range(section.scale.min)
    ]
    return (*gateways, *serving, _part(common, "control", kind="control"))


def part_names(manifest: Manifest) -> list[str]:
    """The names that `plan_parts` gives."""
    gateways = [f"gateway-{number}" for number in range(manifest.gateway.workers)]
    serving = [
        f"serving-{name}-{number}" for name, section in manifest.models.items() for number in range(section.scale.min)
    ]
    return [*gateways, *serving, "control"]


def share_threads(manifest: Manifest, cores: int) -> dict[str, int]:
    """Compute threads of every model: what it asks for, otherwise an even share of what is left; at least one."""
    asked = {name: model.engine.threads for name, model in manifest.models.items()}
    replicas = {name: model.scale.min for name, model in manifest.models.items()}
    left = cores - sum(threads * replicas[name] for name, threads in asked.items())
    sharing = sum(replicas[name] for name, threads in asked.items() if threads == 0)
    share = max(1, left // sharing) if sharing else 0
    return {name: threads or share for name, threads in asked.items()}


def _part(common: PartSpec, name: str, *, kind: str, model: ModelPart | None = None) -> PartSpec:
    return msgspec.structs.replace(common, name=name, kind=kind, model=model)


def _model(
    name: str, section: ModelSection, *, engine: str, base: Path, threads: int, max_body: int, check: str
) -> ModelPart:
    row = engine_row(engine)
    options: dict[str, Any] = dict(section.engine.options)
    if row.wire == "openai":
        options["context"] = section.engine.context
        options["cache"] = parse_size(section.engine.cache)
        options["max_sequences"] = section.batching.max_sequences
    return ModelPart(
        model=name,
        engine=engine,
        wire=row.wire,
        path=str((base / section.source).absolute()),
        digest=section.digest,
        threads=threads,
        precision=section.engine.precision,
        options=options,
        check=check,
        max_rows=section.batching.max_rows,
        queue_rows=section.batching.queue_rows,
        queue_bytes=parse_size(section.batching.queue_bytes),
        max_sequences=section.batching.max_sequences,
        max_body=max_body,
    )
