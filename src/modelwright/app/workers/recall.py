"""Asks control what was used of the limits of this hour, day and month, so that a restart forgets no budget."""

from __future__ import annotations

import asyncio
import logging

import msgspec

from modelwright.core.errors.calls import CallError
from modelwright.core.limits import Used
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest

PATIENCE = 15.0
"""Seconds that a start waits for control; past them it goes on with empty balances: calls need nobody else."""
PAUSE = 0.1
MOST = 256 << 20
"""Bytes of an answer."""
_WITHIN = Deadlines(connect=0.5, first_byte=10.0, idle=5.0)

log = logging.getLogger("modelwright.limits")


async def recall(transport: Transport, socket: str) -> list[Used] | None:
    """What control says, through its Unix socket; None when it says nothing in time."""
    request = UpstreamRequest(origin=Origin(scheme="unix", host=socket), method="GET", target="/spending")
    ends = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            answer = await transport.send(request, _WITHIN)
            body = await answer.read(MOST)
            if answer.status == 200:
                return msgspec.json.decode(body, type=list[Used])
            problem = f"it answers {answer.status}"
        except (CallError, msgspec.MsgspecError) as error:
            problem = str(error)
        if asyncio.get_running_loop().time() > ends:
            log.error("control does not say what was used of budgets, they count from now on: %s", problem)
            return None
        await asyncio.sleep(PAUSE)
