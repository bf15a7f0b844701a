"""Steps that only calculate: pooling, normalising, activation, the label of the highest score; numpy and no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from modelwright.core.errors.starting import StartError
from modelwright.core.ports.engines import Array, TensorSpec
from modelwright.serving.pipelines.step import Socket

FLOATS = ("FP32", "FP64", "FP16")
OF = "of"
"""What every such step works on."""
MASK = "attention_mask"
_SMALLEST = 1e-12


class Pool:
    """Many vectors to one, for each row: [rows, tokens, size] to [rows, size].

    `mean` is the sum of the vectors that the mask (1 or 0 for each token) leaves, divided by their number; `max` is the
    highest of them, `cls` the first.
    """

    def __init__(self, how: str) -> None:
        self._pool = _POOLS[how]

    def load(self) -> tuple[Socket, ...]:
        return Socket(OF, FLOATS), Socket(MASK, ("INT64", "INT32"), (-1, -1), optional=True)

    def outputs(self, given: Mapping[str, TensorSpec]) -> tuple[TensorSpec, ...]:
        spec = given[OF]
        _need_rank(spec, 3, "[rows, tokens, size]")
        return (TensorSpec(name="embedding", datatype="FP32", shape=(spec.shape[0], spec.shape[2])),)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        vectors = inputs[OF].astype(np.float32, copy=False)
        mask = inputs.get(MASK)
        return {"embedding": self._pool(vectors, np.ones(vectors.shape[:2], np.float32) if mask is None else mask)}

    def close(self) -> None:
        """It holds nothing."""


class Normalize:
    """Each row divided by its Euclidean length, so that a scalar product is the cosine: [rows, size] to the same."""

    def load(self) -> tuple[Socket, ...]:
        return (Socket(OF, FLOATS),)

    def outputs(self, given: Mapping[str, TensorSpec]) -> tuple[TensorSpec, ...]:
        _need_rank(given[OF], 2, "[rows, size]")
        return (TensorSpec(name="embedding", datatype="FP32", shape=given[OF].shape),)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {"embedding": unit(inputs[OF].astype(np.float32, copy=False))}

    def close(self) -> None:
        """It holds nothing."""


class Activate:
    """Scores to numbers between 0 and 1: `softmax` over each row's last dimension, or `sigmoid` of each number."""

    def __init__(self, how: str) -> None:
        self._activate = _ACTIVATIONS[how]

    def load(self) -> tuple[Socket, ...]:
        return (Socket(OF, FLOATS),)

    def outputs(self, given: Mapping[str, TensorSpec]) -> tuple[TensorSpec, ...]:
        if len(given[OF].shape) < 2:
            _need_rank(given[OF], 2, "[rows, scores]")
        return (TensorSpec(name="probabilities", datatype="FP32", shape=given[OF].shape),)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        return {"probabilities": self._activate(inputs[OF].astype(np.float32, copy=False))}

    def close(self) -> None:
        """It holds nothing."""


class Label:
    """The name, the place and the value of each row's highest score: [rows, names] to three tensors of [rows]."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = np.empty(len(names), object)
        self._names[:] = [name.encode() for name in names]

    def load(self) -> tuple[Socket, ...]:
        return (Socket(OF, FLOATS),)

    def outputs(self, given: Mapping[str, TensorSpec]) -> tuple[TensorSpec, ...]:
        spec = given[OF]
        _need_rank(spec, 2, "[rows, scores]")
        if spec.shape[1] not in (-1, len(self._names)):
            raise StartError(
                f"there are {len(self._names)} labels, and {spec.name!r} has {spec.shape[1]} scores",
                hint="name one label for each score, in their order",
            )
        rows = spec.shape[:1]
        return (
            TensorSpec(name="label", datatype="BYTES", shape=rows),
            TensorSpec(name="index", datatype="INT64", shape=rows),
            TensorSpec(name="score", datatype="FP32", shape=rows),
        )

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        scores = inputs[OF].astype(np.float32, copy=False)
        index = scores.argmax(axis=1)
        return {"label": self._names[index], "index": index, "score": scores[np.arange(len(index)), index]}

    def close(self) -> None:
        """It holds nothing."""


def unit(vectors: Array) -> Array:
    """Rows of length 1; one of zeros stays as it is."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _SMALLEST)


def _mean(vectors: Array, mask: Array) -> Array:
    weights = mask.astype(np.float32, copy=False)
    total = np.matmul(weights[:, None, :], vectors)[:, 0]
    return total / np.maximum(weights.sum(axis=1, keepdims=True), 1)


def _max(vectors: Array, mask: Array) -> Array:
    return np.where(mask[:, :, None] != 0, vectors, -np.inf).max(axis=1).astype(np.float32, copy=False)


def _first(vectors: Array, _mask: Array) -> Array:
    return vectors[:, 0]


def _softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _sigmoid(scores: Array) -> Array:
    return (0.5 * (1 + np.tanh(0.5 * scores))).astype(np.float32, copy=False)


_POOLS: dict[str, Callable[[Array, Array], Array]] = {"mean": _mean, "max": _max, "cls": _first}
_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"softmax": _softmax, "sigmoid": _sigmoid}


def _need_rank(spec: TensorSpec, rank: int, wanted: str) -> None:
    if len(spec.shape) != rank:
        raise StartError(
            f"it works on {wanted}, and {spec.name!r} is {list(spec.shape)}",
            hint="say which tensor it shall take: inputs: {of: NAME}",
        )
