"""The calls that are under way: a bounded number, each with a deadline and, after a moment, an eye on its client."""

from __future__ import annotations

import asyncio

from modelwright.core.errors.calls import CallError, Malformed, Overloaded, Stopped
from modelwright.core.errors.providers import ProviderError, ProviderTimeout, UpstreamStalled
from modelwright.core.ports.clock import Clock
from modelwright.gateway.call import Call

TICK = 0.1
"""Seconds between two sweeps: how exact the times of a call are."""
WATCHED_AFTER = 0.25
"""Seconds after which a call's client is watched, so that its leaving is noticed."""
IDLE = 30.0
"""Seconds for which a client may take nothing of a stream that nobody upstream is asked for."""
UPLOAD = 300.0
"""Seconds that a client may take to send its body."""


class InFlight:
    """One timer serves all calls: a short call costs no task and no timer of its own."""

    def __init__(self, clock: Clock) -> None:
        self._monotonic = clock.monotonic
        self._calls: set[Call] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __len__(self) -> int:
        return len(self._calls)

    def enter(self, call: Call, *, limit: int) -> None:
        """Take a place; raises Overloaded when all are taken."""
        if len(self._calls) >= limit:
            raise Overloaded(
                f"this gateway worker holds {limit} calls, its maximum",
                hint="send again after the time in Retry-After",
                retry_after=1.0,
            )
        loop = self._loop = self._loop or asyncio.get_running_loop()
        call.task = asyncio.current_task(loop)
        call.deadline = call.started + UPLOAD
        self._calls.add(call)
        if self._timer is None:
            self._timer = loop.call_later(TICK, self._tick)

    def leave(self, call: Call) -> None:
        """The call is over; calls that never entered are ignored."""
        self._calls.discard(call)
        leave_replica(call)
        if call.watcher is not None:
            call.watcher.cancel()

    def sweep(self) -> None:
        """Stop calls that are past their deadline; look after the clients of those that last."""
        now = self._monotonic()
        for call in tuple(self._calls):
            if now > call.deadline:
                stop(call, _too_late(call))
            elif now > call.quiet_until:
                stop(call, _too_quiet(call))
            elif call.giving and _takes_nothing(call, now):
                stop(call, Stopped("the client takes nothing of its stream"))
            elif call.watcher is None and call.lane is not None and now - call.started > WATCHED_AFTER:
                call.watcher = asyncio.get_running_loop().create_task(_watch(call))

    def _tick(self) -> None:
        self._timer = None
        self.sweep()
        if self._calls:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._tick)


def stop(call: Call, why: CallError) -> None:
    """Cancel a call from outside; its task finds the reason in the call."""
    if call.stopped is None and call.task is not None:
        call.stopped = why
        call.task.cancel()


def leave_replica(call: Call) -> None:
    """The call keeps no replica busy any more."""
    if call.replica is not None:
        call.replica.in_flight -= 1
        call.replica = None


def too_slow(call: Call) -> ProviderError | None:
    """Why a call was cancelled, when that was only the upstream's slowness: the cancellation is taken back."""
    stopped = call.stopped
    if not isinstance(stopped, ProviderError):
        return None
    if call.task is not None:
        call.task.uncancel()
    return stopped


def give_up(call: Call) -> None:
    """Stop a call that nobody waits for any more."""
    stop(call, Stopped("the client left before the answer was complete"))


async def _watch(call: Call) -> None:
    await call.client_gone()
    call.deserted = True
    if not call.ended and not call.needed:
        give_up(call)


def _takes_nothing(call: Call, now: float) -> bool:
    """Whether the client has left no room for another byte for as long as its upstream may pause."""
    given, since = call.given
    if given != call.row.bytes_out:
        call.given = (call.row.bytes_out, now)
        return False
    return now - since > (call.lane.deadlines.idle if call.lane is not None else IDLE)


def _too_quiet(call: Call) -> CallError:
    lane = call.lane
    if lane is None:
        raise RuntimeError("nobody is asked before there is a lane")
    if call.begun:
        return UpstreamStalled(
            f"provider {lane.provider} stopped for more than {lane.deadlines.idle:g} s",
            hint="raise timeout.idle if that is normal",
        )
    return ProviderTimeout(
        f"provider {lane.provider} sent no content within {lane.deadlines.first_byte:g} s",
        hint="raise timeout.first_token if that is normal",
    )


def _too_late(call: Call) -> CallError:
    if call.giving:
        return Stopped("the client was too slow to take the whole answer")
    if call.ended:
        return Stopped("the upstream did not end its answer")
    if call.lane is None:
        return Malformed(f"the body did not arrive within {UPLOAD:g} s", hint="send it faster, or less")
    return ProviderTimeout(
        f"provider {call.lane.provider} gave no complete answer within {call.lane.total:g} s",
        hint="raise timeout.total if that is normal",
    )
