"""When a worker that is sent nothing any more has answered all that it was sent; it ends nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from modelwright.app.supervise.devices.question import question
from modelwright.core.status import Busy

LOOK = 0.1
"""Seconds between two looks."""
WITHIN = 2.0
"""Seconds that a worker may take to answer."""
LONGEST = 3600.0
"""Seconds after which a worker goes all the same: no call lasts as long."""
PATIENCE = 10.0
"""Seconds after which a gateway that does not say what it knows is not waited for."""


async def until_idle(path: Path, *, alive: Callable[[], bool]) -> None:
    """Until the worker at this socket has nothing in flight, is not `alive`, or took unreasonably long."""
    loop = asyncio.get_running_loop()
    until = loop.time() + LONGEST
    while alive() and loop.time() < until:
        busy = await busy_of(path)
        if busy is not None and not busy.in_flight and not busy.queued:
            return
        await asyncio.sleep(LOOK)


async def until_heard(paths: Sequence[Path], serial: int) -> None:
    """Until the gateways at these sockets answer by this snapshot; one that cannot be asked starts with it anyway."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    for path in paths:
        while loop.time() < until:
            busy = await busy_of(path)
            if busy is None or busy.snapshot >= serial:
                break
            await asyncio.sleep(LOOK)


async def busy_of(path: Path) -> Busy | None:
    """A worker's own numbers; None when it does not tell them."""
    body = await question(path, "/status", within=WITHIN)
    try:
        return None if body is None else msgspec.json.decode(body, type=Busy)
    except msgspec.MsgspecError:
        return None
