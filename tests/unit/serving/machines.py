"""Engines for tests of what is around an engine: the toy with a notebook, and one that waits to be let go."""

import threading
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np

from modelwright.adapters.engines.toy_tensor import ToyTensorEngine
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.engines import Array, EngineConfig, Signature
from modelwright.serving.execution import Tensors

POISON = 13.0


class NotedToy(ToyTensorEngine):
    """The toy engine; notes the first column of every batch that it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[float]] = []
        self.closed = False

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self.seen.append(inputs["x"][:, 0].tolist())
        return super().predict(inputs)

    def close(self) -> None:
        super().close()
        self.closed = True

    @property
    def computed(self) -> list[float]:
        return [value for batch in self.seen for value in batch]


class GatedToy(NotedToy):
    """Each batch waits until `gate` is open; `entered` tells that one is inside. By its clock it takes 10 ms."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        super().__init__()
        self._clock = clock or ManualClock()
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self.entered.set()
        assert self.gate.wait(30)
        self._clock.advance(0.01)
        return super().predict(inputs)


class LoneToy(NotedToy):
    """Gives one row whatever it gets: its first dimension is free and yet no batch."""

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {name: array[:1] for name, array in super().predict(inputs).items()}


def toy_config(folder: Path, **options: object) -> EngineConfig:
    path = folder / "toy.json"
    path.write_bytes(msgspec.json.encode({"toy": 1, "columns": 2}))
    return EngineConfig(model="toy", path=str(path), options={"poison": POISON, **options})


def loaded(engine: ToyTensorEngine, folder: Path) -> Signature:
    return engine.load(toy_config(folder))


def rows(*values: float) -> Tensors:
    """One row for each value, in its first column."""
    x = np.array([[value, 0.0] for value in values], np.float32)
    return Tensors(arrays={"x": x}, rows=len(values), nbytes=x.nbytes, key=())
