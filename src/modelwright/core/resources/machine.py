"""What there is to be divided; who looks for it is elsewhere."""

from __future__ import annotations

import msgspec


class Gpu(msgspec.Struct, frozen=True, kw_only=True):
    """One GPU that CUDA can use."""

    id: str
    """As CUDA_VISIBLE_DEVICES names it."""
    memory: int = 0
    """Bytes; 0: not known, so that no part of it can be given away."""


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What this process, and whatever it starts, may use."""

    cpus: tuple[int, ...] = ()
    """Numbers of the processors to which a process can be bound; none where the system binds none."""
    cores: float = 1.0
    """Processors at once: as many as there are, or less by a quota."""
    memory: int = 0
    """Bytes; 0: not known."""
    tells_memory: bool = True
    """The system says how much memory a process holds."""
    gpus: tuple[Gpu, ...] = ()

    @property
    def threads(self) -> int:
        """That compute at once."""
        return max(1, int(self.cores))
