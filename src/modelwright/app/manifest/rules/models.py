"""What must be true of models and their files."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from modelwright.app.artifacts.damage import REMEDY
from modelwright.app.artifacts.formats import BY_NAME
from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.files import FileFacts
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.app.manifest.rules.operations import TEXT_WIRE
from modelwright.app.manifest.sections.models import FIRST, ModelSection, in_versions, place_of
from modelwright.app.plugins import PYTHON, chosen_engine, engine_row

NOTHING = "names no model and no endpoint, so nothing could be called"
_TEXT_FIELDS = {"engine": {"context", "cache"}, "batching": {"max_sequences"}}
_CLASS_FIELDS = {"concurrency", "timeout"}


def _something_runs(case: Case) -> Iterator[Finding]:
    """A target runs programs without a gateway, too; `modelwright up` has nothing to start then, and says so."""
    if not case.has_gateway and not case.names("apps"):
        yield Finding((), NOTHING, "add a section `models`")


def _model_files(case: Case) -> Iterator[Finding]:
    for name, model in in_versions(case.manifest.models).items():
        facts = case.files.get(name)
        if facts is None:
            continue
        here: Path = place_of(name)
        if model.digest and not model.source and _is_own_class(model):
            problem = "`digest` stands without a source"
            yield Finding((*here, "digest"), problem, "name the source, or remove it", on_key=True)
        if facts.awaited:
            pass
        elif facts.source_problem:
            is_class = str(model.source).startswith(PYTHON)
            remedy = f'write `engine: {{kind: "{model.source}"}}` instead' if is_class else "name the model file"
            yield Finding((*here, "source"), f"{model.source!r} {facts.source_problem}", remedy)
        elif model.source:
            yield from _format(here, model, facts)
        if facts.check_problem:
            remedy = "name a file that holds the JSON body of a request"
            yield Finding((*here, "check"), f"{model.check!r} {facts.check_problem}", remedy)
        if facts.labels_problem:
            remedy = "name a text file with the name of one class a line"
            yield Finding((*here, "labels"), f"{model.labels!r} {facts.labels_problem}", remedy)


def _format(here: Path, model: ModelSection, facts: FileFacts) -> Iterator[Finding]:
    source, kind = (*here, "source"), model.engine.kind
    found = BY_NAME.get(facts.format)
    wanted = engine_row(kind).reads if kind else ()
    if found and found.danger:
        yield Finding(source, f"{model.source!r} {found.danger}", found.remedy)
    elif kind is None and found and found.remedy:
        yield Finding(source, f"{model.source!r} is a {found.told}, which no engine is chosen for", found.remedy)
    elif kind is None and not chosen_engine(facts.format):
        problem = f"{model.source!r} is of no format that is served here (or it is cut short)"
        remedy = "export the model to one of docs/reference/formats.md, such as ONNX or GGUF, or check the download"
        yield Finding(source, problem, remedy)
    elif wanted and facts.format not in wanted:
        problem = f"{model.source!r} is {_no_one_of(wanted)} file{f', it is {found.told}' if found else ''}"
        remedy = f"leave `kind` out, or name a file in {' or '.join(_told(wanted))} format for {kind}"
        yield Finding(source, problem, remedy)
    elif facts.damage:
        yield Finding(source, f"{model.source!r} is damaged: {facts.damage}", REMEDY)


def _no_one_of(formats: Collection[str]) -> str:
    told = _told(formats)
    return f"no {told[0]}" if len(told) == 1 else f"neither {', '.join(told[:-1])} nor {told[-1]}"


def _told(formats: Collection[str]) -> list[str]:
    return [BY_NAME[name].told for name in formats]


def _fitting_keys(case: Case) -> Iterator[Finding]:
    """What would be accepted and ignored is refused."""
    for name, model in case.manifest.models.items():
        engine = case.engine(name)
        if engine and engine_row(engine).wire == TEXT_WIRE and model.labels:
            problem = f"`labels` is for tensor models, and {name} is run by {engine}"
            yield Finding(("models", name, "labels"), problem, "remove it", on_key=True)
        if not engine or engine_row(engine).wire == TEXT_WIRE:
            continue
        for section, fields in _TEXT_FIELDS.items():
            for known in fields & getattr(model, section).model_fields_set:
                problem = f"`{known}` is for text models, and {name} is run by {engine}"
                yield Finding(("models", name, section, known), problem, "remove it", on_key=True)


def _devices(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        engine, device = case.engine(name), model.engine.device
        if engine and device.partition(":")[0] not in engine_row(engine).devices:
            problem = f"{engine} does not run on {device!r}"
            remedy = f"take one of {', '.join(engine_row(engine).devices)}, or another engine"
            yield Finding(("models", name, "engine", "device"), problem, remedy)


def _precisions(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        engine, precision = case.engine(name), model.engine.precision
        if engine and precision not in engine_row(engine).precisions:
            problem = f"{engine} computes as the model is stored, not in {precision}"
            yield Finding(("models", name, "engine", "precision"), problem, "leave it out, or take another engine")


def _scales(case: Case) -> Iterator[Finding]:
    """What would be accepted and ignored is refused."""
    for name, model in case.manifest.models.items():
        here, scale = ("models", name, "scale"), model.scale
        if scale.max and scale.max < scale.min:
            yield Finding((*here, "max"), f"{scale.max} is less than `min`, {scale.min}", f"write {scale.min} or more")
        if max(scale.max, 1) <= scale.min:
            for key in scale.model_fields_set & {"on", "idle"}:
                problem = f"with {scale.min} replicas at all times nothing is scaled"
                yield Finding((*here, key), problem, "set `max` above `min`, or remove it", on_key=True)


def _placements(case: Case) -> Iterator[Finding]:
    """A group is one process of tensor models, each in one version."""
    for name, model in case.manifest.models.items():
        group, here = model.placement.group, ("models", name, "placement", "group")
        if not group:
            continue
        engine = case.engine(name)
        if (engine and engine_row(engine).wire == TEXT_WIRE) or model.pipeline is not None:
            yield Finding(here, f"{name} is no tensor model of its own", "remove it: it has its own process")
        if group in case.manifest.models:
            yield Finding(here, f"a model is called {group!r}, too", "give the group another name")
        for key in ("scale", "versions"):
            if key in model.model_fields_set:
                problem = f"`{key}` is for models with a process of their own"
                yield Finding(("models", name, key), problem, "remove it, or `placement`", on_key=True)


def _versions(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        here: Path = ("models", name, "versions")
        wire = engine_row(case.engine(name)).wire if case.engine(name) else ""
        for version in model.versions:
            if version == (model.version or FIRST):
                remedy = "give one of them another name; `version` names the first one"
                yield Finding((*here, version), f"two versions are called {version}", remedy, on_key=True)
            engine = case.engine(f"{name}@{version}")
            if wire and engine and engine_row(engine).wire != wire:
                problem = f"{engine} does not answer what {case.engine(name)} answers"
                yield Finding((*here, version, "source"), problem, "make it a model of its own")


def _own_class_only(case: Case) -> Iterator[Finding]:
    """Likewise."""
    for name, model in case.manifest.models.items():
        if _is_own_class(model) or not case.engine(name):
            continue
        for known in _CLASS_FIELDS & model.engine.model_fields_set:
            problem = f"`{known}` is for classes of your own, and {name} is run by {case.engine(name)}"
            yield Finding(("models", name, "engine", known), problem, "remove it", on_key=True)


def _variables(case: Case) -> Iterator[Finding]:
    """Of a process that is the model's own, and of an engine that reads some."""
    for name, model in case.manifest.models.items():
        here, engine = ("models", name, "engine", "env"), case.engine(name)
        if not model.engine.env or not engine or model.pipeline is not None:
            continue
        if not engine.startswith(PYTHON) and not engine_row(engine).server:
            problem = f"`env` is for classes of your own and for engines with a server, and {name} is run by {engine}"
            yield Finding(here, problem, "remove it, and set variables where you start Modelwright", on_key=True)
        elif model.placement.group:
            problem = f"{name} shares its process with the group {model.placement.group}"
            yield Finding(here, problem, "remove it, or `placement`", on_key=True)


def _is_own_class(model: ModelSection) -> bool:
    return bool(model.engine.kind) and str(model.engine.kind).startswith(PYTHON)


RULES: Rules = (
    _something_runs,
    _model_files,
    _scales,
    _placements,
    _versions,
    _fitting_keys,
    _devices,
    _own_class_only,
    _variables,
    _precisions,
)
