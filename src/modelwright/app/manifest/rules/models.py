"""What must be true of models and their files."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.app.document.finding import Finding
from modelwright.app.document.tree import Path
from modelwright.app.manifest.files import ENGINES, GGUF, ONNX, PICKLE, FileFacts
from modelwright.app.manifest.rules.case import Case, Rules
from modelwright.app.manifest.rules.operations import TEXT_WIRE
from modelwright.app.manifest.sections.models import ModelSection
from modelwright.app.plugins import engine_row

_READS = {"onnxruntime": ONNX, "openvino-llm": GGUF}
"""The format that an engine needs; the toys take any file."""
_TEXT_FIELDS = {"engine": {"context", "cache"}, "batching": {"max_sequences"}}


def _something_runs(case: Case) -> Iterator[Finding]:
    if not case.names("models") and not case.names("endpoints"):
        yield Finding((), "names no model and no endpoint, so nothing could be called", "add a section `models`")


def _model_files(case: Case) -> Iterator[Finding]:
    for name, model in case.manifest.models.items():
        facts = case.files.get(name)
        if facts is None:
            continue
        here: Path = ("models", name)
        if facts.source_problem:
            yield Finding((*here, "source"), f"{model.source!r} {facts.source_problem}", "name the model file")
        else:
            yield from _format(here, model, facts)
        if facts.check_problem:
            remedy = "name a file that holds the JSON body of a request"
            yield Finding((*here, "check"), f"{model.check!r} {facts.check_problem}", remedy)


def _format(here: Path, model: ModelSection, facts: FileFacts) -> Iterator[Finding]:
    source = (*here, "source")
    wanted = _READS.get(model.engine.kind or "")
    if facts.format == PICKLE:
        problem = f"{model.source!r} is a pickle, which can run any program when it is loaded"
        yield Finding(source, problem, "export the model to ONNX or GGUF")
    elif model.engine.kind is None and facts.format not in ENGINES:
        problem = f"{model.source!r} is neither ONNX nor GGUF (or it is cut short)"
        yield Finding(source, problem, "export the model to ONNX or GGUF, or check the download")
    elif wanted and facts.format != wanted:
        problem = (
            f"{model.source!r} is no {wanted.upper()} file{f', it is {facts.format.upper()}' if facts.format else ''}"
        )
        remedy = f"leave `kind` out, or name a file in {wanted.upper()} format for {model.engine.kind}"
        yield Finding(source, problem, remedy)


def _text_only(case: Case) -> Iterator[Finding]:
    """What would be accepted and ignored is refused."""
    for name, model in case.manifest.models.items():
        engine = case.engine(name)
        if not engine or engine_row(engine).wire == TEXT_WIRE:
            continue
        for section, fields in _TEXT_FIELDS.items():
            for known in fields & getattr(model, section).model_fields_set:
                problem = f"`{known}` is for text models, and {name} is run by {engine}"
                yield Finding(("models", name, section, known), problem, "remove it", on_key=True)


RULES: Rules = (
    _something_runs,
    _model_files,
    _text_only,
)
