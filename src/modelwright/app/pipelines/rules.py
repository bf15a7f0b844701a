"""What must be true of pipelines: each step is one thing, the models that it names can be steps, nothing is ignored."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.rules.case import Case, Rules, unknown_name
from modelwright.app.manifest.rules.operations import steps_only
from modelwright.app.manifest.secret import Secret
from modelwright.app.manifest.sections.models import ModelSection
from modelwright.app.pipelines.section import KINDS, OF_TOKENIZE, StepSection
from modelwright.app.plugins import PIPELINE, PYTHON, engine_row

TENSOR_WIRE = "v2"
_OF_A_FILE = ("source", "digest", "versions")
_OF_A_PROCESS = ("check", "batching", "scale", "price", "labels", "versions", "resources")


def _source_or_pipeline(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        here: Path = ("models", name)
        if model.pipeline is None:
            is_class = (model.engine.kind or "").startswith(PYTHON)  # its code may be all that it has
            if not model.source and not is_class and not {(*here, "source"), (*here, "engine")} & {*case.unknown}:
                remedy = (
                    "write `source: ./path/of/the/model/file`, `engine: {kind: python:module:Class}` or `pipeline: …`"
                )
                yield Finding(here, "`source` is missing", remedy)
            if model.engine.kind == PIPELINE:
                yield Finding((*here, "engine", "kind"), "there are no steps", "write `pipeline: {steps: …}`")
            continue
        for field in _OF_A_FILE:
            if getattr(model, field):
                problem = f"`{field}` stands beside `pipeline`, whose steps name their files"
                yield Finding((*here, field), problem, "remove it, or the pipeline", on_key=True)
        for field in model.engine.model_fields_set - {"threads"}:
            if field != "kind" or model.engine.kind != PIPELINE:
                problem = f"`{field}` is of engines, and {name} is a pipeline"
                yield Finding((*here, "engine", field), problem, "write it at the model of the step", on_key=True)


def _steps(case: Case) -> Iterator[Finding]:
    for model, name, step in _each(case):
        here: Path = ("models", model, "pipeline", "steps", name)
        kinds = step.kinds
        if len(kinds) != 1:
            problem = f"is {' and '.join(kinds)} at once" if kinds else "does nothing"
            yield Finding(here, problem, f"let it have one of {', '.join(KINDS)}")
        for field in OF_TOKENIZE:
            if field in step.model_fields_set and not step.tokenize:
                yield Finding((*here, field), f"`{field}` is of `tokenize`", "remove it", on_key=True)
        facts = case.files.get(f"{model}.{name}")
        if facts is not None and facts.source_problem:
            problem = f"{step.tokenize!r} {facts.source_problem}"
            yield Finding((*here, "tokenize"), problem, "name a tokenizer.json")
        if step.model:
            yield from _model(case, (*here, "model"), step.model)


def _model(case: Case, here: Path, name: str) -> Iterator[Finding]:
    known = case.names("models")
    if name not in known:
        yield unknown_name(here, name, section="models", known=known)
        return
    engine = case.engine(name)
    if engine == PIPELINE:
        yield Finding(here, f"{name!r} is a pipeline itself", "write its steps here")
    elif engine and not engine.startswith(PYTHON) and engine_row(engine).wire != TENSOR_WIRE:
        problem = f"{name!r} is run by {engine}, and steps give each other tensors"
        yield Finding(here, problem, "name a tensor model")


def _variables(case: Case) -> Iterator[Finding]:
    """Steps share a process, and so its variables."""
    for model, section in case.manifest.models.items():
        known: dict[str, tuple[str, Secret]] = {}
        for step in section.pipeline.steps.values() if section.pipeline else ():
            own = case.manifest.models.get(step.model)
            for name, value in own.engine.env.items() if own else ():
                before, said = known.setdefault(name, (step.model, value))
                if said != value:
                    problem = f"`{name}` has another value at {before}, which shares the process of {model}"
                    yield Finding(
                        ("models", step.model, "engine", "env", name), problem, "write the same, or rename it"
                    )


def _embeddings(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        if model.pipeline is None or model.pipeline.embeddings is None:
            continue
        if not next(iter(model.pipeline.steps.values())).tokenize:
            problem = "`/v1/embeddings` takes texts, and the first step takes something else"
            yield Finding(("models", name, "pipeline", "embeddings"), problem, "begin with `tokenize`", on_key=True)


def _nothing_in_vain(case: Case) -> Iterator[Finding]:
    """A model that is a step and nothing else has no process, so what is said of its process would be ignored."""
    for name, owner in steps_only(case.manifest).items():
        model: ModelSection | None = case.manifest.models.get(name)
        for field in _OF_A_PROCESS:
            if model is not None and field in model.model_fields_set:
                problem = f"{name} is a step of {owner} and runs in its process, so that its `{field}` would be ignored"
                remedy = f"write it at {owner}, or let an endpoint serve {name}"
                yield Finding(("models", name, field), problem, remedy, on_key=True)


def _each(case: Case) -> Iterator[tuple[str, str, StepSection]]:
    for model, section in case.manifest.models.items():
        for name, step in section.pipeline.steps.items() if section.pipeline else ():
            yield model, name, step


RULES: Rules = (_source_or_pipeline, _steps, _variables, _embeddings, _nothing_in_vain)
