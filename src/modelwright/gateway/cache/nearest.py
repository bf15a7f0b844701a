"""Vectors of questions, and the nearest of them to a new one: exact cosine over the few that the signs point to.

Numbers in plain arrays: a gateway worker loads no array library. One bit per dimension (its sign) is compared first, in
one machine-word operation after the other; the cosine decides among the closest few. A near one that the signs miss is
a missed hit, never a wrong one.
"""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from heapq import nsmallest
from operator import mul

CANDIDATES = 8
EACH = 1000
"""Vectors of one partition; the oldest goes first."""
_NOTHING = 1e-100
"""A shorter vector has no direction that a float could tell."""
OVERHEAD = 400
"""Bytes that a vector takes beside its numbers, roughly."""


class Point:
    """A unit vector with its signs, and what it stands for."""

    __slots__ = ("signs", "value", "vector")

    def __init__(self, vector: array[float], value: bytes) -> None:
        self.vector = vector
        self.signs = int("".join(["1" if number > 0 else "0" for number in vector]), 2)
        self.value = value

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.vector) * self.vector.itemsize + OVERHEAD


class Nearest:
    """Partitions never see each other's vectors; the one that was not used for longest goes first."""

    def __init__(self, *, limit: int) -> None:
        """`limit`: bytes."""
        self.held = 0
        """Bytes."""
        self._limit = limit
        self._partitions: OrderedDict[bytes, OrderedDict[bytes, Point]] = OrderedDict()

    def bound(self, limit: int) -> None:
        """Hold at most so many bytes from now on."""
        self._limit = limit
        self._make_room()

    def add(self, partition: bytes, vector: array[float], value: bytes) -> None:
        """Note a unit vector; one of the same value is replaced."""
        points = self._partitions.setdefault(partition, OrderedDict())
        self._partitions.move_to_end(partition)
        self._drop(points, value)
        points[value] = point = Point(vector, value)
        self.held += point.size
        if len(points) > EACH:
            self._drop(points, next(iter(points)))
        self._make_room()

    def find(self, partition: bytes, vector: array[float], *, least: float) -> tuple[float, bytes] | None:
        """(cosine, value) of the nearest, if its cosine is at least so much."""
        points = self._partitions.get(partition)
        if not points:
            return None
        self._partitions.move_to_end(partition)
        asked = Point(vector, b"")
        size, signs = len(vector), asked.signs
        close = nsmallest(
            CANDIDATES,
            (point for point in points.values() if len(point.vector) == size),
            key=lambda point: (point.signs ^ signs).bit_count(),
        )
        best = max(((cosine(vector, point.vector), point.value) for point in close), default=None)
        return best if best is not None and best[0] >= least else None

    def forget(self, partition: bytes, value: bytes) -> None:
        """What it stands for is gone."""
        points = self._partitions.get(partition)
        if points is not None:
            self._drop(points, value)

    def _make_room(self) -> None:
        while self.held > self._limit:
            partition, points = next(iter(self._partitions.items()))
            if points:
                self._drop(points, next(iter(points)))
            else:
                del self._partitions[partition]

    def _drop(self, points: OrderedDict[bytes, Point], value: bytes) -> None:
        point = points.pop(value, None)
        if point is not None:
            self.held -= point.size


def unit(numbers: Sequence[float]) -> array[float] | None:
    """The vector at length 1; None when it has no direction."""
    length = math.hypot(*numbers)
    if not math.isfinite(length) or length < _NOTHING:
        return None
    return array("f", [number / length for number in numbers])


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Of two unit vectors."""
    return sum(map(mul, one, other))
