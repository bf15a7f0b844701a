"""Looks at what is asked of the models and has their replicas follow; the rule is in core/scaling."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from modelwright.app.supervise.fleet.leaving import busy_of
from modelwright.core.ports.clock import Clock
from modelwright.core.scaling import Demand, Scaler, ScaleRule
from modelwright.core.status import Busy

LOOK = 0.5
"""Seconds between two looks."""
AFTER_FAILURE = 30.0
"""Seconds after which one more is tried again when it could not be started."""


class Herd(Protocol):
    """Whose replicas come and go."""

    def scaled(self) -> dict[str, ScaleRule]:
        """Units whose number may change, and that have a process now."""
        ...

    def ready(self, name: str) -> Sequence[Path]:
        """Sockets of a unit's replicas that answer."""
        ...

    async def resize(self, name: str, to: int) -> str:
        """Have so many replicas; why there are not."""
        ...


class Shepherd:
    """Of one run."""

    def __init__(self, herd: Herd, *, clock: Clock, say: Callable[[str], None], look: float = LOOK) -> None:
        """`say` is told why there are not as many replicas as there should be, once for each reason."""
        self._herd = herd
        self._say = say
        self._said: dict[str, str] = {}
        self._monotonic = clock.monotonic
        self._look = look
        self._scalers: dict[str, Scaler] = {}
        self._known: dict[Path, Busy] = {}
        self._not_before: dict[str, float] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._look)
            scaled = self._herd.scaled()
            self._scalers = {name: one for name, one in self._scalers.items() if scaled.get(name) == one.rule}
            await asyncio.gather(*(self._follow(name, rule) for name, rule in scaled.items()))

    async def _follow(self, name: str, rule: ScaleRule) -> None:
        now = self._monotonic()
        scaler = self._scalers.setdefault(name, Scaler(rule, now=now))
        paths = self._herd.ready(name)
        demand = await self._demand(paths)
        wanted = scaler.wants(demand, now=self._monotonic())
        under_way = name in self._tasks and not self._tasks[name].done()
        if not paths or wanted == len(paths) or under_way or now < self._not_before.get(name, 0.0):
            return
        self._tasks[name] = asyncio.get_running_loop().create_task(self._resize(name, wanted))

    async def _resize(self, name: str, wanted: int) -> None:
        problem = await self._herd.resize(name, wanted)
        if problem:
            self._not_before[name] = self._monotonic() + AFTER_FAILURE
        if problem and problem != self._said.get(name) and name in self._herd.scaled():
            self._say(f"{name} should have {wanted} replicas, and has {len(self._herd.ready(name))}: {problem}")
        self._said[name] = problem

    async def _demand(self, paths: Sequence[Path]) -> Demand:
        """A replica that does not tell its numbers has its hands full: it counts as busy as it was."""
        told = await asyncio.gather(*(busy_of(path) for path in paths))
        in_flight = calls = 0
        seconds = 0.0
        for path, busy in zip(paths, told, strict=True):
            before = self._known.get(path, Busy())
            if busy is None:
                in_flight += before.in_flight
                continue
            self._known[path] = busy
            in_flight += busy.in_flight
            if busy.calls >= before.calls:  # otherwise another process is there by now
                calls += busy.calls - before.calls
                seconds += busy.seconds - before.seconds
        return Demand(replicas=len(paths), in_flight=in_flight, calls=calls, seconds=seconds)
