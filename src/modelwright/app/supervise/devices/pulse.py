"""Feels a worker's pulse: whether its event loop turns, asked over its own socket; it ends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

MISSES = 3
"""Questions in a row without an answer after which a worker is stuck; one alone may be a pause of the whole machine."""
_QUESTION = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


async def feel(path: Path, *, pid: Callable[[], int], every: Callable[[], float], stuck: Callable[[], None]) -> None:
    """Ask again and again, until cancelled; call `stuck` for a process that has let three times `every` pass.

    `every` is asked before each question, and `pid` around it: another process begins anew, and none (0) is not asked.
    """
    asked, missed = 0, 0
    while True:
        if asked != pid():
            asked, missed = pid(), 0
        seconds = every()
        answered, _ = await asyncio.gather(_answers(path, within=seconds), asyncio.sleep(seconds))
        missed = 0 if answered else missed + 1
        if missed >= MISSES and asked and asked == pid():
            missed = 0
            stuck()


async def _answers(path: Path, *, within: float) -> bool:
    """Whether anything at all comes back."""
    try:
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(_QUESTION)
                return bool(await reader.read(1))
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
