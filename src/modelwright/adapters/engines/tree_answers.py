"""Names and shapes of what models of rows give: labels with probabilities, or predictions; no library is known here."""

from __future__ import annotations

import numpy as np

from modelwright.core.ports.engines import Array, TensorSpec

INPUT = "x"
LABEL, PROBABILITIES, PREDICTION = "label", "probabilities", "prediction"


def rows_of(columns: int, datatype: str) -> tuple[TensorSpec, ...]:
    """The one input: rows of so many features."""
    return (TensorSpec(name=INPUT, datatype=datatype, shape=(-1, columns)),)


def classifies(classes: int, datatype: str) -> tuple[TensorSpec, ...]:
    """What a classifier gives: each row's class by number, and the probability of every class."""
    return (
        TensorSpec(name=LABEL, datatype="INT64", shape=(-1,)),
        TensorSpec(name=PROBABILITIES, datatype=datatype, shape=(-1, classes)),
    )


def predicts(values: int, datatype: str) -> tuple[TensorSpec, ...]:
    """What any other model gives: a number for each row, or several."""
    return (TensorSpec(name=PREDICTION, datatype=datatype, shape=(-1,) if values == 1 else (-1, values)),)


def classified(raw: Array) -> dict[str, Array]:
    """The answer of a classifier, from its probabilities; of two classes, [rows] has that of the second."""
    probabilities = np.stack([1 - raw, raw], axis=1) if raw.ndim == 1 else raw
    return {LABEL: probabilities.argmax(axis=1), PROBABILITIES: probabilities}


def predicted(raw: Array) -> dict[str, Array]:
    """The answer of any other model."""
    return {PREDICTION: raw}
