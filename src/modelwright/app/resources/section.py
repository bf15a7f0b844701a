"""The manifest's section `resources`: what each process of a model gets of the machine."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from modelwright.app.manifest.sections.section import Section, Size


class ResourcesSection(Section):
    """What each of a model's processes gets; left out, it takes what is there."""

    cpu: float = Field(
        default=0.0,
        ge=0,
        le=1024,
        description="Processors: it is bound to so many, those that the fewest others have, and computes with as many "
        "threads; of a fraction the last one is shared. Models without `cpu` may use these, too. 0 binds it to none.",
    )
    memory: Size | Literal[""] = Field(
        default="",
        description="Memory that it may hold with all that it has started: looked at four times a second; above, it "
        "has 5 s for its last answers, none above 1.25 times, and is started again. Left out, as much as there is.",
    )
    gpu: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Whole NVIDIA GPUs, which no other model gets: it sees these alone and computes on the first, or "
        "on all of them if its engine can.",
    )
    gpu_memory: Size | Literal[""] = Field(
        default="",
        description="Instead of whole ones a part of one NVIDIA GPU, beside others. vLLM, TGI, ONNX Runtime and "
        "PyTorch are told this bound; others keep it by themselves, or not.",
    )
