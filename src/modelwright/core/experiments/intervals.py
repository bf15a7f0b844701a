"""How far a share, a mean or a median can be trusted: 95 % intervals from what was counted; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

Z = 1.959964
"""Of the normal distribution, two-sided, 95 %."""


class Interval(msgspec.Struct, frozen=True):
    """A figure and what it could as well have been."""

    value: float
    low: float
    high: float


def share(hits: int, of: int) -> Interval | None:
    """A share by Wilson's score interval, which holds for few and for rare hits too; None when nothing was counted."""
    if of <= 0:
        return None
    observed = hits / of
    scale = 1 + Z * Z / of
    middle = (observed + Z * Z / (2 * of)) / scale
    reach = Z * math.sqrt(observed * (1 - observed) / of + Z * Z / (4 * of * of)) / scale
    low = 0.0 if hits == 0 else max(0.0, middle - reach)
    return Interval(observed, low, 1.0 if hits == of else min(1.0, middle + reach))


def mean(values: Sequence[float], *, low: float = 0.0, high: float = 1.0) -> Interval | None:
    """The mean of values between `low` and `high`; with fewer than two the interval is the whole range.

    By the normal distribution, from the sample's own spread: an approximation, good from about thirty values on.
    """
    count = len(values)
    if count == 0:
        return None
    middle = math.fsum(values) / count
    if count < 2:
        return Interval(middle, low, high)
    spread = math.sqrt(math.fsum((value - middle) ** 2 for value in values) / (count - 1))
    reach = Z * spread / math.sqrt(count)
    return Interval(middle, max(low, middle - reach), min(high, middle + reach))


def quantile(values: Sequence[float], at: float) -> Interval | None:
    """A quantile of sorted values, with the order statistics between which the true one lies; None without values."""
    count = len(values)
    if count == 0:
        return None
    reach = Z * math.sqrt(count * at * (1 - at))
    first, last = math.floor(count * at - reach) - 1, math.ceil(count * at + reach)
    return Interval(
        values[min(count - 1, int(count * at))], values[max(0, first)], values[min(count - 1, max(0, last))]
    )
