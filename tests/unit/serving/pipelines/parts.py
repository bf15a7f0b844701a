"""Steps for tests of pipelines: ones that only declare, a tokenizer of letters, and a pipeline over them."""

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from modelwright.core.errors.calls import EngineFailed
from modelwright.core.ports.engines import Array, EngineConfig, Signature, TensorSpec, Tokens
from modelwright.serving.pipelines.arithmetic import Pool
from modelwright.serving.pipelines.graph import Wiring
from modelwright.serving.pipelines.pipeline import ModelStep, Pipeline
from modelwright.serving.pipelines.step import Socket
from modelwright.serving.pipelines.tokens import Tokenize, TokenRules

POISON = ord("!")


def spec(name: str, datatype: str = "FP32", shape: tuple[int, ...] = (-1, 4)) -> TensorSpec:
    return TensorSpec(name=name, datatype=datatype, shape=shape)


class Declared:
    """Takes and gives what it is told; each output is the sum of all inputs."""

    def __init__(self, takes: Sequence[Socket | TensorSpec], gives: Sequence[TensorSpec]) -> None:
        self._takes = tuple(
            one if isinstance(one, Socket) else Socket(one.name, (one.datatype,), one.shape) for one in takes
        )
        self._gives = tuple(gives)
        self.closed = False

    def load(self) -> tuple[Socket, ...]:
        return self._takes

    def outputs(self, given: Mapping[str, TensorSpec]) -> tuple[TensorSpec, ...]:
        return self._gives

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        total = sum(inputs.values())
        return {one.name: np.asarray(total) for one in self._gives}

    def close(self) -> None:
        self.closed = True


class Letters:
    """A token for each letter: its code."""

    vocabulary = 256
    padding = 0

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def load(self) -> None:
        """Nothing."""

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        assert self.gate.wait(30)
        self.seen.extend(texts)
        return [Tokens([ord(letter) for letter in text], ()) for text in texts]


class Spread:
    """An engine: each id becomes the vector (id, 1); notes the shapes of its batches; fails with the poison in it."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def load(self, config: EngineConfig) -> Signature:
        ids = TensorSpec(name="input_ids", datatype="INT64", shape=(-1, -1))
        hidden = TensorSpec(name="hidden", datatype="FP32", shape=(-1, -1, 2))
        return Signature(inputs=(ids,), outputs=(hidden,), platform="spread")

    def predict(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        ids = inputs["input_ids"]
        self.shapes.append(ids.shape)
        if (ids == POISON).any():
            raise EngineFailed("the batch holds the poison")
        return {"hidden": np.stack([ids, np.ones_like(ids)], axis=-1).astype(np.float32)}

    def close(self) -> None:
        """Nothing."""


def letters(
    tokenizer: Letters | None = None, engine: Spread | None = None, *, pooled: bool = True, **rules: object
) -> Pipeline:
    """Texts to the mean code of their letters, and 1."""
    front = Tokenize(tokenizer or Letters(), TokenRules(**{"max_tokens": 64, **rules}))  # type: ignore[arg-type]
    model = ModelStep(engine or Spread(), EngineConfig(model="spread", path=""))
    steps = [(Wiring(name="tokens"), front), (Wiring(name="spread"), model)]
    return Pipeline([*steps, (Wiring(name="mean"), Pool("mean"))] if pooled else steps, give={})


def texts(*values: str) -> dict[str, Array]:
    array = np.empty(len(values), object)
    array[:] = [value.encode() for value in values]
    return {"text": array}


def means(*values: str) -> list[list[float]]:
    return [[float(np.mean([ord(letter) for letter in value])), 1.0] for value in values]
