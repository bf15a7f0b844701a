"""Policy: sends a failed call again or to another variant, as long as the client has got nothing of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from modelwright.core.contracts.events import AttemptFailed, Event
from modelwright.core.errors.calls import CallError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.stores import LedgerSink
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.lanes import Route
from modelwright.gateway.routing.attempts import (
    Failed,
    attempt_row,
    failed_by,
    failed_with,
    settle_down,
    start_over,
)
from modelwright.gateway.routing.journey import Journey


class Retry:
    """Right outside Dispatch; endpoints that never try again pass it without a coroutine of its own.

    A reply of Dispatch has begun: a stream's first content is there, any other answer is complete. So everything
    before it can be tried again unseen, and nothing after it is.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        ledger: LedgerSink,
        *,
        clock: Clock,
        chance: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
        emit: Callable[[Event], None],
    ) -> None:
        """`routes` are those that persist; `chance` draws evenly from [0, 1)."""
        self._routes = routes
        self._ledger = ledger
        self._clock = clock
        self._chance = chance
        self._sleep = sleep
        self._emit = emit

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        route, lane = self._routes.get(call.row.endpoint), call.lane
        if route is None or lane is None:
            return proceed(call)
        lane.standing.budget.earn()
        return self._persist(call, proceed, route=route)

    async def _persist(self, call: Call, proceed: Handler, *, route: Route) -> Reply:
        found = await _attempt(call, proceed)
        if isinstance(found, Reply):
            return found
        return await self._try_again(call, proceed, found=found, journey=Journey(route, call.lane))

    async def _try_again(self, call: Call, proceed: Handler, *, found: Reply | Failed, journey: Journey) -> Reply:
        monotonic = self._clock.monotonic
        began, told = call.started, 0
        while isinstance(found, Failed):
            now = monotonic()
            step = journey.next(found, now=now, left=call.deadline - now, chance=self._chance())
            if step is None:
                return found.give()
            settle_down(call)
            if step.wait:
                try:
                    await self._sleep(step.wait)
                except asyncio.CancelledError:
                    if call.row.attempts > told:
                        self._tell(call, found, began=began, now=now)
                    start_over(call, step.lane)
                    call.row.input_tokens = call.row.output_tokens = call.row.machine_us = 0  # nobody was asked again
                    raise
                if not step.lane.admits(monotonic()):
                    continue  # nobody is asked, so what failed before still stands
            if call.row.attempts > told:
                told = call.row.attempts
                self._tell(call, found, began=began, now=now)
            began = monotonic()
            start_over(call, step.lane)
            found = await _attempt(call, proceed)
        if told:
            found.headers.append((b"x-modelwright-attempts", b"%d" % call.row.attempts))
        return found

    def _tell(self, call: Call, found: Failed, *, began: float, now: float) -> None:
        """Of an attempt that is over, and of which the call's own row will not tell."""
        attempt = attempt_row(call, found, began=began, now=now)
        if call.earlier is not None:
            call.earlier.append(attempt)
        self._ledger.outcome(attempt)
        self._emit(AttemptFailed(at=self._clock.now(), attempt=attempt))


async def _attempt(call: Call, proceed: Handler) -> Reply | Failed:
    try:
        reply = await proceed(call)
    except CallError as error:
        return failed_by(call, error)
    return failed_with(call, reply) or reply
