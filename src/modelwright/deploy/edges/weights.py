"""From shares of releases to weights of their instances: whole numbers, as edges want them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import lcm

MOST = 256
"""HAProxy's largest weight; the others take larger ones."""


def weights(shares: Mapping[str, int], instances: Mapping[str, int]) -> dict[str, int]:
    """Of one instance of each release that has any; what has a share has at least 1.

    Exact where whole numbers up to 256 can be; otherwise off by at most one in 256 of the largest.
    """
    wanted = {release: Fraction(shares.get(release, 0), count) for release, count in instances.items() if count > 0}
    largest = max(wanted.values(), default=Fraction(0))
    if not largest:
        return dict.fromkeys(wanted, 0)
    scale = Fraction(lcm(*(each.denominator for each in wanted.values())))
    if largest * scale > MOST:
        scale = MOST / largest
    return {release: max(1, round(each * scale)) if each else 0 for release, each in wanted.items()}
