"""Asks control to read an issuer's keys again: once for all who wait, and not again at once; it reads none itself."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import quote

from modelwright.core.errors.calls import CallError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest

GAP = 2.0
"""Seconds between two questions about one issuer, whatever tokens say: anybody can name a key that there is not."""
MOST_WAITING = 256
"""Calls that wait for an answer; the others are answered by what is known."""
_WITHIN = Deadlines(connect=0.5, first_byte=6.0, idle=1.0)

log = logging.getLogger("modelwright.gateway")


class Renewal:
    """One per worker; control answers when the workers have the keys."""

    def __init__(self, transport: Transport, socket: str, *, clock: Clock) -> None:
        """`socket` is the path of control's Unix socket."""
        self._transport = transport
        self._origin = Origin(scheme="unix", host=socket)
        self._now = clock.monotonic
        self._asked: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._waiting = 0

    async def ask(self, issuer: str) -> None:
        """Return when its keys were read, or could not be, or nobody may ask yet."""
        task = self._asking.get(issuer)
        if task is None:
            if self._now() < self._asked.get(issuer, -GAP) + GAP:
                return
            self._asked[issuer] = self._now()
            task = self._asking[issuer] = asyncio.get_running_loop().create_task(self._ask(issuer))
        if self._waiting >= MOST_WAITING:
            return
        self._waiting += 1
        try:
            await asyncio.shield(task)
        finally:
            self._waiting -= 1

    async def _ask(self, issuer: str) -> None:
        request = UpstreamRequest(
            origin=self._origin,
            method="POST",
            target=f"/issuers/{quote(issuer, safe='')}/read",
            headers=((b"content-length", b"0"),),
        )
        try:
            answer = await self._transport.send(request, _WITHIN)
            await answer.read(1 << 16)
        except CallError as error:
            log.warning("control cannot be asked to read the keys of issuer %s: %s", issuer, error.message)
        finally:
            self._asking.pop(issuer, None)
