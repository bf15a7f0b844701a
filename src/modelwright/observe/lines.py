"""Log lines: one JSON object each, written by a thread so that a slow reader stops nobody; it decides no content."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from queue import Empty, SimpleQueue

import msgspec

from modelwright.core.contracts.events import (
    AttemptFailed,
    BreakerChanged,
    Event,
    PartChanged,
    RequestFinished,
    SnapshotRefused,
)

HELD = 8 << 20
"""Bytes of lines that wait for a slow reader; past it the oldest are dropped, and counted."""
_FAILED = frozenset({"died", "broken"})

_encode = msgspec.json.Encoder().encode


class EventLines:
    """Turns events into lines that name their part and level before anything else."""

    def __init__(self, part: str) -> None:
        name = msgspec.json.encode(part).decode()
        self._heads = {level: f'{{"part":{name},"level":"{level}",'.encode() for level in ("info", "warning", "error")}

    def encode(self, events: Iterable[Event]) -> bytes:
        """The lines of these events, in order."""
        heads = self._heads
        return b"".join([heads[level_of(event)] + _encode(event)[1:] + b"\n" for event in events])


def level_of(event: Event) -> str:
    """How much an event matters: error when we or an upstream failed, warning when a request was not answered well."""
    match event:
        case RequestFinished():
            if not event.error:
                return "info"
            return "error" if event.status >= 500 else "warning"
        case AttemptFailed():
            return "warning"
        case BreakerChanged():
            return "error" if event.state == "open" else "info"
        case SnapshotRefused():
            return "error"
        case PartChanged():
            return "error" if event.state in _FAILED else "info"
        case _:
            return "info"


class LineWriter:
    """Writes bytes to a file descriptor from a thread of its own."""

    def __init__(self, descriptor: int = 1, *, held: int = HELD) -> None:
        self.dropped = 0
        """Lines that were given up."""
        self._descriptor = descriptor
        self._limit = held
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._thread = threading.Thread(target=self._run, name="log-lines", daemon=True)
        self._thread.start()

    def write(self, lines: bytes) -> None:
        """Take whole lines; never blocks."""
        if not lines:
            return
        self._count(len(lines))
        while self._waiting > self._limit and self._drop_oldest():
            pass
        self._queue.put(lines)

    def close(self, timeout: float = 2.0) -> None:
        """Wait until everything is written, as long as that takes no longer than `timeout` seconds."""
        self._queue.put(None)
        self._thread.join(timeout)

    def _drop_oldest(self) -> bool:
        try:
            oldest = self._queue.get_nowait()
        except Empty:
            return False
        if oldest is None:
            self._queue.put(None)
            return False
        self._count(-len(oldest))
        self.dropped += oldest.count(b"\n")
        return True

    def _run(self) -> None:
        torn = False
        while (lines := self._queue.get()) is not None:
            left = memoryview(b"\n" + lines if torn else lines)
            try:
                while left:
                    left = left[os.write(self._descriptor, left) :]
                torn = False
            except OSError:
                self.dropped += bytes(left).count(b"\n")
                torn = True
            self._count(-len(lines))

    def _count(self, size: int) -> None:
        with self._lock:
            self._waiting += size
