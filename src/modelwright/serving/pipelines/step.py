"""What a step is: it says what it takes, then what it makes of that, then computes; it knows no other step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from modelwright.core.ports.engines import Array, TensorSpec


class Socket(NamedTuple):
    """An input of a step."""

    name: str
    datatypes: tuple[str, ...]
    """V2 names that it takes."""
    shape: tuple[int, ...] | None = None
    """-1 for a free dimension; None: the step looks at it itself."""
    optional: bool = False
    """The step does without it."""


class Step(Protocol):
    """One step; called from one thread at a time."""

    def load(self) -> tuple[Socket, ...]:
        """What it takes; raises StartError."""
        ...

    def outputs(self, given: Mapping[str, TensorSpec]) -> tuple[TensorSpec, ...]:
        """What it makes of such inputs; raises StartError when it cannot work on them."""
        ...

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Compute a batch, every row for itself. Raises CallError; it can be called again afterwards."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...
