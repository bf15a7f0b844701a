"""One call that the gateway makes for another one: for its tenant and key, whatever endpoints that key may call."""

from __future__ import annotations

import asyncio

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.providers import ProviderTimeout
from modelwright.core.ports.clock import Clock
from modelwright.core.wire.openai import RequestHead
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.inflight import leave_replica, stop
from modelwright.gateway.lanes import Lane


class Aside:
    """Makes them; the operator has chosen whom to ask, so nobody's rights and limits are looked at."""

    def __init__(self, handler: Handler, clock: Clock) -> None:
        """`handler`: the chain from the route on, or from the dispatch on, with a meter of its own."""
        self._handler = handler
        self._clock = clock

    async def ask(self, caller: LedgerRow, aside: Call, *, patience: float) -> Reply:
        """Raises CallError, after so many seconds ProviderTimeout; `caller` is the row of the call that it is for."""
        row = aside.row
        row.request_id, row.release, row.tags = caller.request_id, caller.release, caller.tags
        row.tenant, row.key, row.user = caller.tenant, caller.key, caller.user
        loop = asyncio.get_running_loop()
        aside.task = asyncio.current_task(loop)
        late = ProviderTimeout(f"{row.endpoint} gave no answer within {patience:g} s", hint="raise its timeout")
        timer = loop.call_later(patience, stop, aside, late)
        try:
            return await self._handler(aside)
        finally:
            timer.cancel()
            leave_replica(aside)

    def call(self, name: str, body: bytes, *, operation: str, endpoint: str, lane: Lane | None = None) -> Call:
        """Such a call, called `name`; of a lane, where none is to be chosen."""
        row = LedgerRow(call=name, at=self._clock.now(), operation=operation, endpoint=endpoint, bytes_in=len(body))
        aside = Call(row, operation, {}, self._clock.monotonic(), _nothing, _nobody)
        aside.body, aside.head, aside.identified = body, RequestHead(model=endpoint), True
        if lane is not None:
            aside.lane = lane
            row.variant, row.provider, row.model = lane.variant, lane.provider, lane.model
        return aside


async def _nothing(_limit: int) -> bytes:
    return b""


async def _nobody() -> None:
    await asyncio.Event().wait()
