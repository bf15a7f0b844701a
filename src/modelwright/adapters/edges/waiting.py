"""Waits for what another program does, and no longer than a deploy can."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from modelwright.core.errors.deploying import StepFailed

PATIENCE = 20.0
"""Seconds until a program has to have taken over a configuration, or a name has to mean an address."""
LOOK = 0.05


async def until(done: Callable[[], Awaitable[bool]], problem: str) -> None:
    """Raises StepFailed, which says this problem."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await done():  # noqa: ASYNC110 - it is another program that gets there
                await asyncio.sleep(LOOK)
    except TimeoutError:
        raise StepFailed(problem, hint="see its log, then resume or abort") from None
