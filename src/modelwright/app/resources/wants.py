"""What the manifest's words mean for a process: of one model, or of several that share it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from modelwright.app.manifest.sections.models import ModelSection
from modelwright.app.resources.section import ResourcesSection
from modelwright.core.quantities import parse_size
from modelwright.core.resources.wants import Wants


def wants_of(section: ResourcesSection) -> Wants:
    """Of a model with a process of its own."""
    return Wants(
        cpu=section.cpu,
        memory=parse_size(section.memory) if section.memory else 0,
        gpus=section.gpu,
        gpu_memory=parse_size(section.gpu_memory) if section.gpu_memory else 0,
    )


def wants_together(sections: Collection[ResourcesSection]) -> Wants:
    """Of the models of a placement group: the sum of what they say."""
    each = [wants_of(section) for section in sections]
    return Wants(cpu=sum(one.cpu for one in each), memory=sum(one.memory for one in each))


def any_gpu(models: Mapping[str, ModelSection]) -> bool:
    """Whether somebody has to be asked for GPUs at all."""
    return any(wants_of(model.resources).any_gpu for model in models.values())
