"""Watches our own workers' replicas, so that a dead one is known before a call is sent to it; asks no provider."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol

from modelwright.core.errors.calls import CallError, Overloaded
from modelwright.core.errors.providers import ProviderTimeout
from modelwright.core.ports.http import Deadlines, Origin, Transport
from modelwright.core.ports.providers import Outbound
from modelwright.gateway.lanes import Replica

CALM = 1.0
"""Seconds between two questions to a replica that is ready."""
EAGER = 0.02
"""The same for one that is not: it should be used as soon as it is."""
_DEADLINES = Deadlines(connect=0.5, first_byte=2.0, idle=2.0)
_QUESTION = Outbound(operation="alive", model="")


class Line(Transport, Protocol):
    """A transport that knows its connections."""

    def holds(self, origin: Origin) -> bool:
        """Whether a connection is open there over which an answer has come before."""
        ...


async def probe(replica: Replica, transport: Line) -> None:
    """Ask one replica and note what it says.

    A dead worker's socket is still open, since the supervisor holds it: such a question gets no answer. Neither does
    one to a worker that has its hands full, but the end of a process closes its connections: as long as one is open,
    the worker is busy and not lost. Calls still go there, unless another replica answers.
    """
    request = replica.dialect.request(_QUESTION)
    try:
        response = await transport.send(request, _DEADLINES)
        response_ready = response.status == 200
        await response.read(1 << 16)
    except (ProviderTimeout, Overloaded):
        replica.ready = False
        replica.up = replica.up and transport.holds(request.origin)
        return
    except CallError:
        replica.up = replica.ready = False
        return
    replica.up = True
    replica.ready = response_ready


async def watch(replica: Replica, transport: Line) -> None:
    """Ask again and again, at once when a call says that the replica is lost, until cancelled."""
    while True:
        replica.doubted.clear()
        await probe(replica, transport)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CALM if replica.up and replica.ready else EAGER):
                await replica.doubted.wait()
