"""Requests that go before others: a queue of levels, of which none waits for ever; pure rules, like batching.py.

The highest level that waits leads the next batch (1 is the highest); rows of lower levels that fit the same engine call
fill it. A level that was passed over so many times leads the next one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from modelwright.serving.batching import UNBOUNDED, BatchQueue, Limits, Slice, Ticket

T = TypeVar("T", bound=Ticket)


class Levels(msgspec.Struct, frozen=True, kw_only=True):
    """How many levels there are, and their bounds."""

    count: int
    default: int
    """Of requests that name none, or one that does not exist, as in Triton."""
    patience: int = 16
    """Batches that may go before a level that waits."""
    queue_rows: Mapping[int, int] = {}
    """Rows of a level that may wait, within those of the whole queue."""

    def of(self, priority: int) -> int:
        """The level of a request's `priority`."""
        return priority if 1 <= priority <= self.count else self.default


class LevelQueue(BatchQueue[T]):
    """Requests that wait for the engine; the key of each is its level and what else may be joined."""

    def __init__(self, limits: Limits, levels: Levels) -> None:
        super().__init__(limits)
        self.levels = levels
        self._rows_of = [0] * (levels.count + 1)
        self._passed = [0] * (levels.count + 1)
        """How often in succession another level has led while this one waited."""

    def fits(self, *, rows: int, nbytes: int, level: int = 0) -> bool:
        bound = self.levels.queue_rows.get(level, UNBOUNDED)
        return self._rows_of[level] + rows <= bound and super().fits(rows=rows, nbytes=nbytes)

    def add(self, ticket: T) -> None:
        self._rows_of[ticket.level] += ticket.rows
        super().add(ticket)

    def leave(self, ticket: T) -> None:
        if ticket.waiting:
            self._rows_of[ticket.level] -= ticket.rows - ticket.taken
        super().leave(ticket)

    def next_batch(self, most: int = UNBOUNDED) -> list[Slice[T]]:
        batch = super().next_batch(most)
        if not batch:
            return batch
        leader = batch[0].ticket
        for level in range(1, self.levels.count + 1):
            waits = level != leader.level and self._rows_of[level]
            self._passed[level] = self._passed[level] + 1 if waits else 0
        if self.limits.joins and self._lines:
            room = min(most, self.limits.max_rows) - sum(piece.stop - piece.start for piece in batch)
            self._fill(batch, room)
        return batch

    def _fill(self, batch: list[Slice[T]], room: int) -> None:
        """Whole requests of other levels, for the room that is left."""
        key = batch[0].ticket.alike
        for level in range(1, self.levels.count + 1):
            line = self._lines.get((level, key))
            while line and room >= line[0].rows - line[0].taken:
                room -= line[0].rows - line[0].taken
                batch.append(self._take(line, line[0].rows - line[0].taken))

    def _leading(self) -> deque[T]:
        level = self._leading_level()
        lines = [line for line in self._lines.values() if line[0].level == level]
        return lines[0] if len(lines) == 1 else min(lines, key=lambda line: line[0].number)

    def _leading_level(self) -> int:
        waiting = [level for level in range(1, self.levels.count + 1) if self._rows_of[level]]
        late = [level for level in waiting if self._passed[level] >= self.levels.patience]
        return max(late, key=lambda level: self._passed[level]) if late else waiting[0]

    def _take(self, line: deque[T], rows: int) -> Slice[T]:
        self._rows_of[line[0].level] -= rows
        return super()._take(line, rows)
