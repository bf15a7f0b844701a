"""Which waiting requests form the next batch: pure rules over rows, without arrays, engine, clock or event loop.

First come, first served: the oldest request leads, and others that fit the same engine call fill its batch in their
order. A request that fits one batch is never split; a larger one is, and its pieces stay in order.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

UNBOUNDED = sys.maxsize
"""No bound but that of the limits."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a queue and of one engine call."""

    max_rows: int = 32
    """Rows of one engine call."""
    queue_rows: int = 256
    """Rows that may wait."""
    queue_bytes: int = 256 << 20
    """Bytes of input arrays that may wait."""
    joins: bool = True
    """False: a request is one engine call, never joined and never split."""


class Ticket:
    """One request's place in the queue; a subclass carries what belongs to it."""

    __slots__ = (
        "alike",
        "began",
        "deadline",
        "engine",
        "key",
        "level",
        "nbytes",
        "number",
        "over",
        "rows",
        "seconds",
        "taken",
        "waiting",
    )

    def __init__(
        self, *, rows: int, nbytes: int, key: Hashable = (), deadline: float = math.inf, level: int = 0
    ) -> None:
        self.rows = rows
        self.nbytes = nbytes
        self.alike = key
        """Requests in which this is equal (inputs, dtypes and shapes behind the first dimension) may be joined."""
        self.key = (level, key) if level else key
        """Of the line that it stands in."""
        self.level = level
        """1 is the highest; 0: there are no levels (levels.py)."""
        self.deadline = deadline
        """When waiting ends, in monotonic seconds."""
        self.taken = 0
        """Rows that are in a batch already."""
        self.waiting = False
        self.over = False
        """Nobody waits for the answer any more, or it is known that there is none."""
        self.number = 0
        self.seconds = 0.0
        """Its share, by rows, of the engine's time in the batches that it came through."""
        self.began = 0.0
        """When the first of these batches began, in monotonic seconds."""
        self.engine = 0.0
        """All of the engine's time in them."""

    def wanted(self, now: float) -> bool:
        """Whether it is still worth computing."""
        return not self.over and self.deadline > now


T = TypeVar("T", bound=Ticket)


class Slice(NamedTuple, Generic[T]):
    """Rows `start` to `stop` of one request."""

    ticket: T
    start: int
    stop: int

    @property
    def whole(self) -> bool:
        """Whether it is all of the request."""
        return self.start == 0 and self.stop == self.ticket.rows


class BatchQueue(Generic[T]):
    """Requests that wait for the engine, in lines of equal keys."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.rows = 0
        """Rows that wait; those in a batch do not count."""
        self.nbytes = 0
        self._lines: dict[Hashable, deque[T]] = {}
        self._count = 0

    @property
    def full(self) -> bool:
        """Whether not even one row more would fit."""
        return self.rows >= self.limits.queue_rows

    def ripe(self, enough: int = UNBOUNDED) -> bool:
        """Whether the next batch would have so many rows, or could not get any more by waiting."""
        if not self._lines:
            return False
        if not self.limits.joins:
            return True
        enough = min(enough, self.limits.max_rows)
        if len(self._lines) == 1:
            return self.rows >= enough
        return sum(ticket.rows - ticket.taken for ticket in self._leading()) >= enough

    def fits(self, *, rows: int, nbytes: int, level: int = 0) -> bool:
        """Whether a request of this size may wait now."""
        return self.rows + rows <= self.limits.queue_rows and self.nbytes + nbytes <= self.limits.queue_bytes

    def add(self, ticket: T) -> None:
        """Let a request wait; the caller has asked `fits`."""
        self._count += 1
        ticket.number = self._count
        ticket.waiting = True
        self.rows += ticket.rows
        self.nbytes += ticket.nbytes
        line = self._lines.get(ticket.key)
        if line is None:
            line = self._lines[ticket.key] = deque()
        line.append(ticket)

    def leave(self, ticket: T) -> None:
        """Take a request out; rows of it that are in a batch already are no business of the queue."""
        if not ticket.waiting:
            return
        ticket.waiting = False
        self.rows -= ticket.rows - ticket.taken
        self.nbytes -= ticket.nbytes
        line = self._lines[ticket.key]
        line.remove(ticket)
        if not line:
            del self._lines[ticket.key]

    def next_batch(self, most: int = UNBOUNDED) -> list[Slice[T]]:
        """The rows of the next engine call, in order; empty when nothing waits.

        A batch has at most so many rows, unless its first request alone has more.
        """
        if not self._lines:
            return []
        line = self._leading()
        if not self.limits.joins:
            return [self._take(line, line[0].rows)]
        batch: list[Slice[T]] = []
        room = min(max(most, line[0].rows), self.limits.max_rows)
        while line and room:
            ticket = line[0]
            left = ticket.rows - ticket.taken
            if batch and left > room and ticket.rows <= self.limits.max_rows:
                break
            batch.append(self._take(line, min(left, room)))
            room -= min(left, room)
        return batch

    def __iter__(self) -> Iterator[T]:
        """All that wait, line by line."""
        for line in self._lines.values():
            yield from line

    def _leading(self) -> deque[T]:
        if len(self._lines) == 1:
            return next(iter(self._lines.values()))
        return min(self._lines.values(), key=lambda line: line[0].number)

    def _take(self, line: deque[T], rows: int) -> Slice[T]:
        ticket = line[0]
        piece = Slice(ticket, ticket.taken, ticket.taken + rows)
        ticket.taken += rows
        self.rows -= rows
        if ticket.taken == ticket.rows:
            line.popleft()
            ticket.waiting = False
            self.nbytes -= ticket.nbytes
            if not line:
                del self._lines[ticket.key]
        return piece


S = TypeVar("S")


def halves(batch: Sequence[S]) -> tuple[Sequence[S], Sequence[S]]:
    """A failed batch in two, to find the part that fails."""
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]
