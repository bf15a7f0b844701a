"""Says whether a series of measurements grows: a slope with an interval, pure.

Neighbouring samples are alike, so a fit to all of them would be far too sure of itself. The series is cut into blocks,
and a straight line is fitted to their medians; the interval is Student's, 95 %.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

BLOCKS = 10
STUDENT = 2.306
"""Of 8 degrees of freedom, two-sided 95 %: ten points, two parameters."""
LITTLE = 0.02
"""Growth over the measured time below this share of the mean is no growth."""


class Trend(NamedTuple):
    """Of one series, with the first third left out, in which caches and pools fill."""

    mean: float
    slope: float
    """Per hour."""
    margin: float
    """Half of the interval's width, per hour."""
    growth: float
    """Slope times the measured time."""

    @property
    def flat(self) -> bool:
        """Unless the whole interval is above 0 and the growth is more than little."""
        return self.slope - self.margin <= 0 or self.growth <= LITTLE * self.mean


def trend(times: Sequence[float], values: Sequence[float]) -> Trend:
    """Times in seconds; at least three samples per block."""
    skipped = len(times) // 3
    times, values = times[skipped:], values[skipped:]
    size = len(times) / BLOCKS
    if size < 3:
        raise ValueError(f"{len(times)} samples are too few for {BLOCKS} blocks")
    cuts = [round(number * size) for number in range(BLOCKS + 1)]
    blocks = [slice(first, last) for first, last in pairwise(cuts)]
    x = [statistics.median(times[block]) / 3600 for block in blocks]
    y = [statistics.median(values[block]) for block in blocks]
    fit = statistics.linear_regression(x, y)
    rest = sum((value - fit.intercept - fit.slope * at) ** 2 for at, value in zip(x, y, strict=True))
    spread = sum((at - statistics.mean(x)) ** 2 for at in x)
    margin = STUDENT * math.sqrt(rest / (BLOCKS - 2) / spread)
    return Trend(statistics.mean(y), fit.slope, margin, fit.slope * (times[-1] - times[0]) / 3600)
