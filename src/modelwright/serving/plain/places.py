"""Who runs and who waits, for calls that run on threads and cannot be joined; it starts none itself."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from modelwright.core.errors.calls import EngineFailed, Overloaded

PATIENCE = 1.0
"""Seconds beyond its time after which a call that has not ended counts as hung."""

T = TypeVar("T")


class Places:
    """A bounded number of places, and a bounded queue in front of them; used on one event loop."""

    def __init__(
        self,
        at_once: int,
        *,
        queue: int,
        seconds: float,
        one_loop: bool,
        model: str,
        on_hung: Callable[[str], None],
        patience: float = PATIENCE,
    ) -> None:
        """`seconds` is what one step of a call may take; `on_hung` is told when no call can run any more."""
        self.patience = patience
        self.waiting = 0
        self.taken = 0
        self.seconds = seconds
        self.model = model
        self._at_once = at_once
        self._queue = queue
        self._bearable = 1 if one_loop else at_once
        self._hung = 0
        self._on_hung = on_hung
        self._line: deque[asyncio.Future[None]] = deque()
        self._pace = 0.0

    @property
    def full(self) -> bool:
        """Whether one more would have to be refused."""
        return self.taken >= self._at_once and self.waiting >= self._queue

    async def take(self) -> Seat:
        """Wait for a place, in the order of coming; raises Overloaded. One that is cancelled is never computed."""
        if self.full:
            raise self.overloaded()
        if self.taken >= self._at_once:
            turn = asyncio.get_running_loop().create_future()
            self._line.append(turn)
            self.waiting += 1
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.give()  # the place came in the same moment
                raise
            finally:
                self.waiting -= 1
        else:
            self.taken += 1
        return Seat(self)

    def give(self) -> None:
        """A place is free: the next one's turn."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1

    def learn(self, seconds: float) -> None:
        """A call has taken so long."""
        self._pace += 0.2 * (seconds - self._pace)

    def hangs(self) -> None:
        """One more call does not end."""
        self._hung += 1
        if self._hung >= self._bearable:
            self._on_hung(f"{self._hung} calls have not ended within {self.seconds:g} s")

    def recovered(self) -> None:
        """It has ended after all."""
        self._hung -= 1

    def overloaded(self) -> Overloaded:
        """The error for one more than may wait."""
        return Overloaded(
            f"model {self.model!r} cannot let more requests wait: {self.waiting} do",
            hint="send it again later",
            retry_after=max(1.0, self._pace * self.waiting / self._at_once),
        )


class Seat:
    """The place of one call; whoever has it calls `leave` at the end, whatever the end is."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._loop = asyncio.get_running_loop()
        self._began = time.perf_counter()
        self._running: Future[Any] | None = None
        self._since = 0.0
        self._is_hung = False

    @property
    def seconds(self) -> float:
        """Since the place was taken."""
        return time.perf_counter() - self._began

    async def wait(self, step: Future[T]) -> T:
        """What a step of the call gives; raises EngineFailed when it takes too long. Cancelled, it is asked to end."""
        self._running, self._since = step, self._loop.time()
        try:
            async with asyncio.timeout(self._places.seconds):
                return await asyncio.shield(asyncio.wrap_future(step))
        except TimeoutError:
            step.cancel()
            raise EngineFailed(
                f"model {self._places.model!r} did not answer within {self._places.seconds:g} s",
                hint="send less at once, or raise engine.timeout",
            ) from None
        except asyncio.CancelledError:
            step.cancel()
            raise

    def leave(self, last: Future[Any] | None = None) -> None:
        """Give the place back as soon as what runs has ended, and `last`, which was begun to clean up."""
        self._places.learn(self.seconds)
        if last is not None:
            self._running, self._since = last, self._loop.time()
        running = self._running
        if running is None or running.done():
            self._places.give()
            return
        rest = self._since + self._places.seconds + self._places.patience - self._loop.time()
        timer = self._loop.call_later(max(0.0, rest), self._hangs)
        running.add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._ended, timer))

    def _hangs(self) -> None:
        self._is_hung = True
        self._places.hangs()

    def _ended(self, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        if self._is_hung:
            self._places.recovered()
        self._places.give()
