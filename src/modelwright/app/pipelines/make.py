"""Makes a pipeline of what a worker was handed: constructor calls only, nothing is loaded."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from modelwright.app.parts import ModelPart, PipelinePart, StepPart
from modelwright.app.plugins import tokenizer_json
from modelwright.core.ports.engines import EngineConfig, TensorEngine
from modelwright.serving.pipelines.arithmetic import Activate, Label, Normalize, Pool
from modelwright.serving.pipelines.graph import Wiring
from modelwright.serving.pipelines.pipeline import ModelStep, Pipeline
from modelwright.serving.pipelines.step import Step
from modelwright.serving.pipelines.tokens import Tokenize, TokenRules

Engine = Callable[[ModelPart], tuple[TensorEngine, EngineConfig]]
"""The engine of a model that is a step, and what it is told; raises StartError or MissingExtra."""


def made(part: PipelinePart, engine: Engine) -> Pipeline:
    """The pipeline, not loaded; raises what `engine` raises, and MissingExtra."""
    steps = [(Wiring(name=one.name, inputs=one.inputs, outputs=one.outputs), _step(one, engine)) for one in part.steps]
    return Pipeline(steps, give=part.outputs)


def engine_config(part: ModelPart) -> EngineConfig:
    """What an engine may know of its model."""
    return EngineConfig(
        model=part.model,
        path=part.path,
        threads=part.threads,
        precision=part.precision,
        device=part.device,
        gpus=part.gpus,
        gpu_memory=part.gpu_memory,
        gpu_share=part.gpu_share,
        options=part.options,
        check=part.check,
    )


def files_of(part: ModelPart) -> list[ModelPart]:
    """Everything that is loaded from a file, each as the part of a model."""
    if part.pipeline is None:
        return [part]
    found = [step.model for step in part.pipeline.steps if step.model is not None]
    for step in part.pipeline.steps:
        if step.file is not None:
            file = step.file
            named = f"{part.model}, step {step.name}"
            found.append(
                ModelPart(
                    model=named,
                    engine=step.kind,
                    wire="",
                    path=file.path,
                    digest=file.digest,
                    promised=file.promised,
                    marks=file.marks,
                )
            )
    return found


def _step(part: StepPart, engine: Engine) -> Step:
    settings = part.settings
    if part.model is not None:
        return ModelStep(*engine(part.model))
    match part.kind:
        case "tokenize":
            rules = msgspec.convert(settings, TokenRules)
            path = part.file.path if part.file is not None else ""
            cut = rules.max_tokens if rules.cuts else 0
            return Tokenize(tokenizer_json(path, place=f"step {part.name}", cut=cut), rules)
        case "pool":
            return Pool(settings["pool"])
        case "normalize":
            return Normalize()
        case "activate":
            return Activate(settings["activate"])
        case _:
            return Label(settings["label"])
