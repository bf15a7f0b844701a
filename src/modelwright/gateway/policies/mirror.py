"""Policy: a share of the calls is asked of a shadow variant too, whose answer is thrown away and whose row is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.calls import CallError
from modelwright.core.ports.clock import Clock
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.inflight import InFlight
from modelwright.gateway.lanes import Lane, Route

MOST = 64
"""Shadows that one worker has under way; past it a call casts none."""


class Shadows:
    """The shadows under way in one worker, over all snapshots."""

    def __init__(self, clock: Clock, *, ids: Callable[[], str], most: int = MOST) -> None:
        self.skipped = 0
        """Shadows that were not cast, since too many were under way."""
        self._most = most
        self._clock = clock
        self._ids = ids
        self._in_flight = InFlight(clock)
        self._tasks: set[asyncio.Task[None]] = set()

    def cast(self, call: Call, lane: Lane, *, ask: Handler) -> None:
        """Ask `lane` what this call asks, beside it; nothing of that reaches the client, not even an error."""
        if lane.off:
            return
        if len(self._tasks) >= self._most:
            self.skipped += 1
            return
        task = asyncio.get_running_loop().create_task(self._ask(self._shadow_of(call, lane), ask, lane=lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def __len__(self) -> int:
        return len(self._tasks)

    async def close(self) -> None:
        """End what is under way; each gets its outcome."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _shadow_of(self, call: Call, lane: Lane) -> Call:
        seen = call.row
        row = LedgerRow(
            call=self._ids(),
            request_id=seen.request_id,
            at=self._clock.now(),
            operation=seen.operation,
            endpoint=seen.endpoint,
            tenant=seen.tenant,
            key=seen.key,
            user=seen.user,
            variant=lane.variant,
            provider=lane.provider,
            model=lane.model,
            release=seen.release,
            stream=seen.stream,
            bytes_in=seen.bytes_in,
            tags=seen.tags,
            shadow_of=seen.call,
        )
        if lane.preamble is not None:
            lane.preamble.note(row)
        return Call(
            row,
            call.operation,
            call.headers,
            self._clock.monotonic(),
            call.read,
            _for_ever,
            call.version,
            caller=call.caller,
            identified=True,
            body=call.body,
            head=call.head,
            lane=lane,
        )

    async def _ask(self, call: Call, ask: Handler, *, lane: Lane) -> None:
        try:
            self._in_flight.enter(call, limit=self._most)
            call.deadline = call.started + lane.total
            reply = await ask(call)
            if reply.chunks is not None:
                await _swallow(call, reply)
        except CallError:
            return  # the row says it
        except asyncio.CancelledError:
            if call.stopped is None:
                raise
        finally:
            self._in_flight.leave(call)


class Mirror:
    """Endpoints without a shadow pass it without a coroutine of its own."""

    def __init__(
        self, routes: Mapping[str, Route], shadows: Shadows, *, ask: Handler, chance: Callable[[], float]
    ) -> None:
        """`routes` are those with a shadow; `ask` writes a row and asks a call's lane; `chance` draws from [0, 1)."""
        self._routes = routes
        self._shadows = shadows
        self._ask = ask
        self._chance = chance

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        route = self._routes.get(call.row.endpoint)
        if route is None or (shadow := route.shadow) is None or shadow is call.lane:
            return proceed(call)
        if self._chance() < route.shadow_share:
            self._shadows.cast(call, shadow, ask=self._ask)
        return proceed(call)


async def _swallow(call: Call, reply: Reply) -> None:
    chunks, settle = reply.chunks, reply.settle
    if chunks is None or settle is None:
        raise RuntimeError("a shadow's stream was not metered")
    try:
        async for chunk in chunks:
            call.row.bytes_out += len(chunk)
    finally:
        settle(call, None)
        await chunks.aclose()


async def _for_ever() -> None:
    """A shadow has no client that could leave."""
    await asyncio.get_running_loop().create_future()
