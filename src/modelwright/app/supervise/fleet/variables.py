"""Variables that the manifest gives to the processes of single models: their values are in the supervisor's memory and
in the environment of these processes, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from modelwright.app.manifest.schema import Manifest
from modelwright.app.manifest.secret import MASK, Secret
from modelwright.app.parts import ModelPart, PartSpec
from modelwright.core.errors.starting import StartError

Resolve = Callable[[str], str]
"""A text with its secrets filled in; raises StartError."""


class Hidden(str):
    """A value that does not show when what holds it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return MASK


def resolved(env: Mapping[str, Secret], *, place: str, resolve: Resolve) -> dict[str, str]:
    """A model's variables with their values; raises StartError, which names the variable."""
    found: dict[str, str] = {}
    for name, value in env.items():
        here = f"{place}.engine.env.{name}"
        try:
            found[name] = Hidden(resolve(value.reveal()))
        except StartError as error:
            raise StartError(error.message, hint=error.hint, place=here) from None
        if "\0" in found[name]:
            raise StartError("its value holds a NUL byte", hint="take it out of the value", place=here)
    return found


def of_models(manifest: Manifest) -> set[str]:
    """Names of the secrets that models' variables hold."""
    return {name for model in manifest.models.values() for value in model.engine.env.values() for name in value.names}


def only_of_models(manifest: Manifest) -> set[str]:
    """Names of secrets that models' variables hold, and that no gateway and not control needs."""
    others = [key for provider in manifest.providers.values() for key in provider.keys]
    others += filter(None, (manifest.store.database, manifest.store.redis))
    others += manifest.tasks.webhook.secrets if manifest.tasks is not None else ()
    needed = {name for secret in others for name in secret.names}
    return of_models(manifest) - needed


def given_to(spec: PartSpec) -> dict[str, str]:
    """What the process of this part gets beside the variables of all."""
    return {name: value for model in spec.models for one in _each(model) for name, value in one.env.items()}


def without_variables(spec: PartSpec) -> PartSpec:
    """As it may be written down."""
    if not given_to(spec):
        return spec
    model = spec.model and _bare(spec.model)
    return msgspec.structs.replace(spec, model=model, group=tuple(map(_bare, spec.group)))


def _each(model: ModelPart) -> Iterator[ModelPart]:
    yield model
    for step in model.pipeline.steps if model.pipeline is not None else ():
        if step.model is not None:
            yield from _each(step.model)


def _bare(model: ModelPart) -> ModelPart:
    pipeline = model.pipeline
    if pipeline is not None:
        steps = (msgspec.structs.replace(step, model=step.model and _bare(step.model)) for step in pipeline.steps)
        pipeline = msgspec.structs.replace(pipeline, steps=tuple(steps))
    return msgspec.structs.replace(model, env={}, pipeline=pipeline)
