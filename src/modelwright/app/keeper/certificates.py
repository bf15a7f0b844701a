"""Sees to it that hosts have the certificates that their routes want by ACME, as long as the keeper runs."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from pathlib import Path

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
            told = await _renewed(edge(), folder=folder, state=state, but=frozenset(waiting), trusting=trusting)
        except (ModelwrightError, OSError) as error:
            told = {"": str(error)}
        for host, problem in told.items():
            if problem:
                sys.stderr.write(f"{problem}\n")
                refused[host] = time.monotonic()
        await asyncio.sleep(look)


async def _renewed(
    edge: StandingEdge, *, folder: Path, state: Path, but: Collection[str], trusting: Path | None
) -> Mapping[str, str]:
    """The client of ACME, with its libraries, is imported when a route wants it: a keeper is small."""
    if not any(route.tls and not route.tls.certificate for route in edge.front.routes):
        return {}
    renew = import_module("modelwright.app.deploying.certificates").renew
    return await renew(edge, folder=folder, state=state, now=time.time(), but=but, trusting=trusting)
