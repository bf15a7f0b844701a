"""Turns requests away before anything is made of them: no task, no key, no ledger row, only a count."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable

from modelwright.core.errors.calls import Overloaded
from modelwright.core.wire import anthropic, openai, v2
from modelwright.gateway.http.paths import wire_of
from modelwright.gateway.pressure import Pressure

log = logging.getLogger("modelwright.gateway")


class Gate:
    """One per worker process, at its public door."""

    def __init__(self, monotonic: Callable[[], float], *, ids: Callable[[], str]) -> None:
        """`ids` makes request ids for those who bring none."""
        self.shut = False
        """Whether who comes in this turn of the loop is turned away, if that can be done unread."""
        self.turned_away = 0
        self._pressure = Pressure()
        self._monotonic = monotonic
        self._ids = ids
        self._loop: asyncio.AbstractEventLoop | None = None
        self._taken = self._takes = 0
        self._came = self._began = 0.0
        self._told = False

    def enter(self) -> None:
        """One more request is let in."""
        if not self._taken:
            self._came = self._monotonic()
            self._loop = self._loop or asyncio.get_running_loop()
            self._loop.call_soon(self._begin)
        self._taken += 1
        if self._taken >= self._pressure.room:
            self.shut = True

    def refuse(self, target: str, request_id: bytes) -> bytes:
        """The whole answer to a request that is turned away; an empty id: it brought none."""
        self.turned_away += 1
        self._pressure.refused = True
        head, body = _ANSWERS[wire_of(target)]
        return b"%bx-request-id: %b\r\n\r\n%b" % (head, request_id or self._ids().encode(), body)

    def _begin(self) -> None:
        """All that this turn brought is here: the work on it begins now, and ends when the loop looks for more."""
        self._takes, self._taken, self.shut = self._taken, 0, False
        self._began = self._monotonic()
        if self._loop is not None:
            self._loop.call_soon(self._end)

    def _end(self) -> None:
        pressure = self._pressure
        ended = self._came if self._came > self._began else self._monotonic()
        pressure.turn(self._takes, began=self._began, ended=ended)
        if self._told != (pressure.room < math.inf):
            self._told = not self._told
            if self._told:
                log.warning("more calls come than this worker's processor can answer: some are turned away with 429")
            else:
                log.warning("all calls are let in again; %d were turned away since the start", self.turned_away)


_ERROR = Overloaded(
    "more calls come than this gateway worker can answer", hint="send again after the time in Retry-After"
)


def _whole(body: bytes) -> tuple[bytes, bytes]:
    head = b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    return b"%bcontent-length: %d\r\n" % (head, len(body)), body


_ANSWERS = {
    "openai": _whole(openai.error_body(_ERROR)),
    "anthropic": _whole(anthropic.error_body(_ERROR)),
    "v2": _whole(v2.error_body(_ERROR)),
}
