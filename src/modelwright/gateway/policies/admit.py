"""Policy: a worker holds a bounded number of calls at once; one more is refused before its body is read."""

from __future__ import annotations

from collections.abc import Awaitable

from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.inflight import InFlight


class Admit:
    """Takes a place for the call; the door gives it back at the call's very end."""

    def __init__(self, in_flight: InFlight, *, limit: int) -> None:
        self._in_flight = in_flight
        self._limit = limit

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        self._in_flight.enter(call, limit=self._limit)
        return proceed(call)
