"""How much memory a process holds, with all that it has started, and what it is told about it; it ends nothing."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator

from modelwright.core.resources.bound import LOOK, MemoryBound

_PAGE = os.sysconf("SC_PAGE_SIZE")
CONTENT = 5.0
"""Seconds for which an exact look is believed, unless the process grows meanwhile: it reads every page's entry."""


async def hold_to(bound: int, *, pid: Callable[[], int], over: Callable[[str, int], None]) -> None:
    """Look again and again, until cancelled; call `over` with `end` or `kill`, and with the bytes that it holds.

    `pid` is asked before each look: another process begins anew, and none (0) is not looked at.
    """
    looked, scale, rule = 0, Scale(bound), MemoryBound(bound)
    while True:
        await asyncio.sleep(LOOK)
        if looked != pid():
            looked, scale, rule = pid(), Scale(bound), MemoryBound(bound)
        if not looked:
            continue
        held = await asyncio.to_thread(scale.held_by, looked)
        todo = rule.looked(held, now=time.monotonic())
        if todo and looked == pid():
            over(todo, held)


class Scale:
    """Weighs one process and all below it, as exactly as it takes to know whether it is within its bound."""

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._fine, self._until = bound, 0.0

    def held_by(self, pid: int) -> int:
        """Bytes in memory, pages that several share counted once; 0 when it is gone.

        Within the bound the cheap sum will do, in which such pages count for each that has them; and above it, as long
        as it has not grown by what the exact one has left of the bound.
        """
        everyone = [*family(pid)]
        simple = sum(_resident(one) for one in everyone)
        now = time.monotonic()
        if simple <= self._bound or (simple <= self._fine and now < self._until):
            return min(simple, self._bound)
        exact = sum(_proportional(one) for one in everyone)
        self._fine, self._until = simple + self._bound - exact, now + CONTENT
        return exact


def family(pid: int) -> Iterator[int]:
    """The process and whatever it has started, and those in turn."""
    yield pid
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - a fifth of the time, four times a second
    except OSError:
        return
    for thread in threads:
        for child in _words(f"/proc/{pid}/task/{thread}/children"):
            yield from family(int(child))


def _resident(pid: int) -> int:
    words = _words(f"/proc/{pid}/statm")
    return int(words[1]) * _PAGE if len(words) > 1 else 0


def _proportional(pid: int) -> int:
    """Its share of what several processes have in memory; all of it where the system does not tell."""
    words = _words(f"/proc/{pid}/smaps_rollup")
    return int(words[words.index(b"Pss:") + 1]) << 10 if b"Pss:" in words else _resident(pid)


def _words(file: str) -> list[bytes]:
    try:
        with open(file, "rb", buffering=0) as opened:  # noqa: PTH123 - likewise
            return (opened.readall() or b"").split()
    except OSError:
        return []
