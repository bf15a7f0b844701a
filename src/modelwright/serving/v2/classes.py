"""Turns scores into the best classes as text, `score:index` or `score:index:label`, as Triton's extension words them.

It chooses by score alone: which output holds scores is the client's word.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from modelwright.core.errors.calls import Malformed, Unprocessable
from modelwright.core.ports.engines import Array, TensorSpec

PARAMETER = "classification"
_NO_SCORES = ("BOOL", "BYTES")


def read_count(value: object, spec: TensorSpec) -> int:
    """How many classes a parameter asks for; raises Malformed, or Unprocessable for an output that holds no scores."""
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise Malformed(
            f"parameter {PARAMETER!r} of output {spec.name!r} is no number of classes",
            hint="send a whole number, such as 3",
            param=PARAMETER,
        )
    if value and spec.datatype in _NO_SCORES:
        raise Unprocessable(
            f"output {spec.name!r} is {spec.datatype}, which holds no scores",
            hint=f"ask for {PARAMETER} of an output of numbers",
            param=PARAMETER,
        )
    return value


def best_classes(scores: Array, most: int, *, batches: bool, labels: Sequence[str]) -> Array:
    """The texts, best first: [rows, classes] for a model that batches, otherwise [classes]; equal scores by index.

    What is no number (NaN) is no better than minus infinity.
    """
    flat = scores.reshape(len(scores), -1) if batches else scores.reshape(1, -1)
    last = flat.shape[1] - 1
    ranked = np.where(np.isnan(flat), -np.inf, flat) if flat.dtype.kind == "f" else flat
    order = last - np.argsort(ranked[:, ::-1], axis=1, kind="stable")[:, ::-1][:, :most]
    kind = "f" if flat.dtype.kind == "f" else "d"
    texts = [
        [_text(format(value, kind), index, labels) for value, index in zip(values, indices, strict=True)]
        for values, indices in zip(np.take_along_axis(flat, order, axis=1).tolist(), order.tolist(), strict=True)
    ]
    found = np.empty(order.shape, object)
    found[:] = texts
    return found if batches else found[0]


def _text(score: str, index: int, labels: Sequence[str]) -> bytes:
    return (f"{score}:{index}:{labels[index]}" if index < len(labels) else f"{score}:{index}").encode()
