"""Watches our own workers' replicas, so that a dead one is known before a call is sent to it; asks no provider."""

from __future__ import annotations

import asyncio

from modelwright.core.errors.calls import CallError
from modelwright.core.ports.http import Deadlines, Transport
from modelwright.core.ports.providers import Outbound
from modelwright.gateway.lanes import Replica

CALM = 1.0
"""Seconds between two questions to a replica that is ready."""
EAGER = 0.02
"""The same for one that is not: it should be used as soon as it is."""
_DEADLINES = Deadlines(connect=0.5, first_byte=2.0, idle=2.0)
_QUESTION = Outbound(operation="alive", model="")


async def probe(replica: Replica, transport: Transport) -> None:
    """Ask one replica and note what it says.

    A dead worker's socket is still open, since the supervisor holds it: such a question gets no answer, and counts
    as a lost connection.
    """
    try:
        response = await transport.send(replica.dialect.request(_QUESTION), _DEADLINES)
        response_ready = response.status == 200
        await response.read(1 << 16)
    except CallError:
        replica.up = replica.ready = False
        return
    replica.up = True
    replica.ready = response_ready


async def watch(replica: Replica, transport: Transport) -> None:
    """Ask again and again, until cancelled."""
    while True:
        await probe(replica, transport)
        await asyncio.sleep(CALM if replica.up and replica.ready else EAGER)
