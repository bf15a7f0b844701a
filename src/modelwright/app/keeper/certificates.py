"""Sees to it that hosts have the certificates that their routes want by ACME, as long as the keeper runs."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from modelwright.app.deploying.certificates import renew
from modelwright.app.deploying.edges import StandingEdge
from modelwright.core.errors.tree import ModelwrightError

LOOK = 30.0
"""Seconds between two looks at what is wanted."""
AGAIN = 1800.0
"""Seconds until an authority that has refused is asked again: it counts."""


async def keep_certificates(
    folder: Path, state: Path, edge: Callable[[], StandingEdge], *, look: float = LOOK, trusting: Path | None = None
) -> None:
    """Until it is cancelled; what is wrong is said on stderr, by host, and tried again later."""
    refused: dict[str, float] = {}
    while True:
        waiting = {host for host, at in refused.items() if time.monotonic() < at + AGAIN}
        try:
            told = await renew(
                edge(), folder=folder, state=state, now=time.time(), but=frozenset(waiting), trusting=trusting
            )
        except (ModelwrightError, OSError) as error:
            told = {"": str(error)}
        for host, problem in told.items():
            if problem:
                sys.stderr.write(f"{problem}\n")
                refused[host] = time.monotonic()
        await asyncio.sleep(look)
