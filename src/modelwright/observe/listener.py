"""Hears the events that rooms append to a list, some at a time; rooms neither call it nor wait for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from modelwright.core.contracts.events import Event

INTERVAL = 0.05
"""Seconds between two looks at the list: a crash loses at most the lines of so long."""
MOST = 10_000
"""Events of one look that become lines; the older ones beyond it are only counted."""

Ear = Callable[[Sequence[Event]], None]

log = logging.getLogger(__name__)


class Listener:
    """Hands what has happened to its ears."""

    def __init__(self, *, numbers: Ear, lines: Ear) -> None:
        self.dropped = 0
        """Events that became no lines."""
        self._events: list[Event] = []
        self._numbers = numbers
        self._lines = lines
        self.emit = self._events.append
        """What rooms call: one append."""

    def drain(self) -> None:
        """Hear everything that waits."""
        if not self._events:
            return
        heard = self._events[:]
        self._events.clear()
        self._numbers(heard)
        if len(heard) > MOST:
            self.dropped += len(heard) - MOST
            heard = heard[-MOST:]
        self._lines(heard)

    async def run(self) -> None:
        """Until cancelled; what is left is then heard too."""
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                try:
                    self.drain()
                except Exception:
                    log.exception("events could not be heard")
        finally:
            self.drain()
