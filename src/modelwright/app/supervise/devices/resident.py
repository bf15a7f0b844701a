"""How much memory a process holds, with all that it has started, and what it is told about it; it ends nothing."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from modelwright.core.resources.bound import LOOK, MemoryBound

PROCESSES = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")


async def hold_to(bound: int, *, pid: Callable[[], int], over: Callable[[str, int], None]) -> None:
    """Look again and again, until cancelled; call `over` with `end` or `kill`, and with the bytes that it holds.

    `pid` is asked before each look: another process begins anew, and none (0) is not looked at.
    """
    looked, rule = 0, MemoryBound(bound)
    while True:
        await asyncio.sleep(LOOK)
        if looked != pid():
            looked, rule = pid(), MemoryBound(bound)
        if not looked:
            continue
        held = await asyncio.to_thread(held_by, looked, enough=bound)
        todo = rule.looked(held, now=asyncio.get_running_loop().time())
        if todo and looked == pid():
            over(todo, held)


def held_by(pid: int, *, enough: int) -> int:
    """Bytes in memory of a process and of all below it, pages that they share counted once; 0 when it is gone.

    As long as it is not more than `enough`, the cheap sum will do, in which such pages count for each.
    """
    everyone = [*family(pid)]
    simple = sum(_resident(one) for one in everyone)
    return simple if simple <= enough else sum(_proportional(one) for one in everyone)


def family(pid: int) -> Iterator[int]:
    """The process and whatever it has started, and those in turn."""
    yield pid
    try:
        threads = [*(PROCESSES / str(pid) / "task").iterdir()]
    except OSError:
        return
    for thread in threads:
        for child in _words(thread / "children"):
            yield from family(int(child))


def _resident(pid: int) -> int:
    words = _words(PROCESSES / str(pid) / "statm")
    return int(words[1]) * _PAGE if len(words) > 1 else 0


def _proportional(pid: int) -> int:
    """Its share of what several processes have in memory; all of it where the system does not tell."""
    words = _words(PROCESSES / str(pid) / "smaps_rollup")
    return int(words[words.index("Pss:") + 1]) << 10 if "Pss:" in words else _resident(pid)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text("ascii", "replace").split()
    except OSError:
        return []
