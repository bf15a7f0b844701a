"""Gives each process that is to come its part of the machine, and remembers who has which; the rules are in core."""

from __future__ import annotations

import msgspec

from modelwright.app.parts import PartSpec
from modelwright.core.quantities import told_size
from modelwright.core.resources.cpus import choose_cpus
from modelwright.core.resources.gpus import choose_gpus, untouched
from modelwright.core.resources.machine import Machine
from modelwright.core.resources.wants import Given, Holding, Wants


class Places:
    """Of one run; a process that is started again has what it had before."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        """As it was seen last."""
        self._held: dict[str, tuple[PartSpec, Holding]] = {}

    def placed(self, spec: PartSpec) -> tuple[PartSpec, str]:
        """The spec with what its process gets; and why it cannot have what it wants, empty when it can."""
        wants, holdings = spec.wants, [holding for _, holding in self._held.values()]
        gpus: tuple[str, ...] | None = ()
        if wants.any_gpu:
            gpus = choose_gpus(wants, self.machine.gpus, held=holdings)
        given = Given(cpus=self._cpus(spec), memory=wants.memory, gpus=gpus or ())
        self._held[spec.name] = (spec, Holding(wants=wants, given=given))
        return _handed(spec, given, self.machine), "" if gpus is not None else self._lack(wants)

    def left(self, name: str) -> None:
        """The process of this part is gone for good."""
        self._held.pop(name, None)

    def _cpus(self, spec: PartSpec) -> tuple[int, ...]:
        """Versions that it replaces count last: they will be gone."""
        if not spec.wants.cpu:
            return ()
        replaced = {name for name, (other, _) in self._held.items() if _replaces(spec, other)}
        staying = [holding for name, (_, holding) in self._held.items() if name not in replaced]
        going = [holding for name, (_, holding) in self._held.items() if name in replaced]
        return choose_cpus(spec.wants.cpu, self.machine.cpus, held=staying, going=going)

    def _lack(self, wants: Wants) -> str:
        free = len(untouched(self.machine.gpus, [holding for _, holding in self._held.values()]))
        wanted = f"{told_size(wants.gpu_memory)} of a GPU" if wants.gpu_memory else f"{wants.gpus} GPU(s)"
        return (
            f"it wants {wanted} (`resources`), and {free} of this machine's {len(self.machine.gpus)} are free, beside "
            "what an old version of it has; unload one (modelwright models unload NAME), then try again"
        )


def _replaces(new: PartSpec, old: PartSpec) -> bool:
    """Whether the one is of another version of what the other runs; replicas of the same one stay together."""
    return _unit(new) == _unit(old) and _essence(new) != _essence(old)


def _unit(spec: PartSpec) -> str:
    return spec.name.rpartition("-")[0]


def _essence(spec: PartSpec) -> PartSpec:
    model = spec.model and msgspec.structs.replace(spec.model, marks="", threads=0)
    group = tuple(msgspec.structs.replace(one, marks="", threads=0) for one in spec.group)
    return msgspec.structs.replace(spec, name="", release="", log_level="", model=model, group=group)


def _handed(spec: PartSpec, given: Given, machine: Machine) -> PartSpec:
    model, wants = spec.model, spec.wants
    if model is not None and given.gpus:
        whole = next((gpu.memory for gpu in machine.gpus if gpu.id in given.gpus), 0)
        model = msgspec.structs.replace(
            model,
            gpus=given.gpus,
            gpu_memory=wants.gpu_memory,
            gpu_share=wants.gpu_memory / whole if wants.gpu_memory and whole else 0.0,
        )
    return msgspec.structs.replace(spec, given=given, model=model)
