"""From a pipeline of the manifest to what a worker is handed, and to its digest; it reads no file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

import msgspec

from modelwright.app.manifest.sections.models import ModelSection
from modelwright.app.parts import EmbeddingsPart, ModelPart, PipelinePart, StepPart
from modelwright.app.pipelines.section import PipelineSection, StepSection
from modelwright.app.sources.located import Located


def file_of(model: str, step: str) -> str:
    """The name under which a step's own file goes, beside those of models."""
    return f"{model}.{step}"


def files_of(models: Mapping[str, ModelSection]) -> Iterator[tuple[str, str]]:
    """(name, path) of every file that a step names itself."""
    for model, section in models.items():
        for name, step in section.pipeline.steps.items() if section.pipeline else ():
            if step.tokenize:
                yield file_of(model, name), step.tokenize


def located_whole(name: str, section: PipelineSection, located: Mapping[str, Located]) -> Located:
    """A pipeline's digest is that of its steps, settings included, with the digests of what they load."""
    told = section.model_dump(mode="json", exclude_defaults=True)
    for step, one in section.steps.items():
        file = one.model or (file_of(name, step) if one.tokenize else "")
        if file:
            told["steps"][step]["digest"] = located[file].digest
    digest = hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()
    return Located(source="", path="", digest=f"sha256:{digest}")


def pipeline_part(
    name: str, section: PipelineSection, *, located: Mapping[str, Located], model: Callable[[str], ModelPart]
) -> PipelinePart:
    """`model` makes the part of a model that is a step."""
    return PipelinePart(
        steps=tuple(
            StepPart(
                name=step,
                kind=one.kinds[0],
                inputs=one.inputs,
                outputs=one.outputs,
                settings=_settings(one),
                model=model(one.model) if one.model else None,
                file=located.get(file_of(name, step)),
            )
            for step, one in section.steps.items()
        ),
        outputs=section.outputs,
        embeddings=_embeddings(section) if section.embeds else None,
    )


def _settings(step: StepSection) -> dict[str, object]:
    if step.tokenize:
        return {"max_tokens": step.max_tokens, "cuts": step.longer == "cut", "datatype": step.integers.upper()}
    return {step.kinds[0]: getattr(step, step.kinds[0])}


def _embeddings(section: PipelineSection) -> EmbeddingsPart:
    if section.embeddings is None:
        return EmbeddingsPart()
    return EmbeddingsPart(shorten=section.embeddings.shorten, max_inputs=section.embeddings.max_inputs)
