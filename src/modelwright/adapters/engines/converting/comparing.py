"""Compares answers to a sample, the model's own with those of the file that was written; it decides nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelwright.core.errors.converting import CannotConvert

Answers = dict[str, NDArray[Any]]
_CHOICE = "label"


def difference(own: Answers, written: Answers, *, tolerance: float) -> float:
    """The largest one, relative to answers above 1; raises CannotConvert where it is more than is allowed."""
    largest = 0.0
    for name, expected in own.items():
        given = written[name].reshape(expected.shape)
        if expected.dtype.kind in "fc":
            far = np.abs(given - expected) / np.maximum(1, np.abs(expected))
            largest = max(largest, float(far.max(initial=0)))
        elif name != _CHOICE or "probabilities" not in own:
            _same(expected, given)
        else:
            close = _close(own["probabilities"], tolerance)
            _same(expected[~close], given[~close])
    if not largest <= tolerance:
        raise CannotConvert(
            f"answers differ by up to {largest:.3g}, and {tolerance:g} is allowed",
            hint="give the sample as float64, allow more by `tolerance`, or write it by format='skops'",
        )
    return largest


def _close(probabilities: NDArray[Any], tolerance: float) -> NDArray[Any]:
    """Rows whose two best classes are as good as equal: either may be chosen."""
    if probabilities.shape[1] < 2:
        return np.zeros(len(probabilities), bool)
    best = np.sort(probabilities, axis=1)
    return best[:, -1] - best[:, -2] <= 2 * tolerance


def _same(expected: NDArray[Any], given: NDArray[Any]) -> None:
    wrong = int((expected.astype(str) != given.astype(str)).sum())
    if wrong:
        raise CannotConvert(
            f"{wrong} of {expected.size} answers are others there",
            hint="give the sample as float64, or write it by format='skops'",
        )
