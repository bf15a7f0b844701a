"""Which GPUs a process sees: whole ones for itself, or a part of one by memory; a pure rule, it asks no driver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from modelwright.core.resources.machine import Gpu
from modelwright.core.resources.wants import Holding, Wants


def choose_gpus(wants: Wants, gpus: Sequence[Gpu], *, held: Iterable[Holding]) -> tuple[str, ...] | None:
    """The names of the GPUs for a process that wants some; None when those that are left are not enough.

    A whole one is nobody else's. A part goes where the least memory stays free, so that whole ones are left; every
    holding counts, also of versions that are about to go: both are in memory for a moment.
    """
    taken = [*held]
    if wants.gpu_memory:
        rooms = {gpu.id: room for gpu in gpus if (room := free_memory(gpu, taken)) >= wants.gpu_memory}
        return (min(rooms, key=lambda name: rooms[name]),) if rooms else None
    free = untouched(gpus, taken)
    return tuple(gpu.id for gpu in free[: wants.gpus]) if len(free) >= wants.gpus else None


def untouched(gpus: Sequence[Gpu], held: Iterable[Holding]) -> list[Gpu]:
    """Those of which nobody has anything."""
    taken = {name for holding in held for name in holding.given.gpus}
    return [gpu for gpu in gpus if gpu.id not in taken]


def free_memory(gpu: Gpu, held: Iterable[Holding]) -> int:
    """Bytes of which parts can be given away; 0 when somebody has it as a whole."""
    here = [holding.wants for holding in held if gpu.id in holding.given.gpus]
    if any(wants.gpus for wants in here):
        return 0
    return gpu.memory - sum(wants.gpu_memory for wants in here)
