"""What one process wants of a machine, and what it was given; it decides nothing."""

from __future__ import annotations

import math

import msgspec

from modelwright.core.quantities import told_size


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """What a process asks for; nothing: it takes what is there."""

    cpu: float = 0.0
    """Processors; of a fraction the last one is shared."""
    memory: int = 0
    """Bytes that it may hold."""
    gpus: int = 0
    """Whole ones."""
    gpu_memory: int = 0
    """Bytes of one GPU, which it shares, instead."""

    @property
    def threads(self) -> int:
        """That its processors can run; 0: it did not say."""
        return math.ceil(self.cpu)

    @property
    def any_gpu(self) -> bool:
        """Whether it wants one, or a part of it."""
        return bool(self.gpus or self.gpu_memory)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What a process has, as long as it is there and started again."""

    cpus: tuple[int, ...] = ()
    """The processors that it may use, the shared one last; none: any."""
    memory: int = 0
    """Bytes after which it is ended; 0: as many as there are."""
    gpus: tuple[str, ...] = ()
    """The ones that it sees, as CUDA names them; none: nothing was decided."""

    @property
    def told(self) -> str:
        """For people: `CPUs 0-1, up to 2.0 GiB, GPU GPU-1f2e`."""
        cpus = f"{'CPU' if len(self.cpus) == 1 else 'CPUs'} {told_numbers(self.cpus)}" if self.cpus else ""
        memory = f"up to {told_size(self.memory)}" if self.memory else ""
        gpus = f"GPU {', '.join(gpu[:12] for gpu in self.gpus)}" if self.gpus else ""
        return ", ".join(filter(None, (cpus, memory, gpus)))


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """A process that is there or may come: what it wanted, and has."""

    wants: Wants
    given: Given


def told_numbers(numbers: tuple[int, ...]) -> str:
    """`0-2, 5` of 5, 0, 2, 1."""
    rows: list[list[int]] = []
    for number in sorted(numbers):
        if rows and rows[-1][-1] == number - 1:
            rows[-1].append(number)
        else:
            rows.append([number])
    return ", ".join(str(row[0]) if len(row) == 1 else f"{row[0]}-{row[-1]}" for row in rows)
