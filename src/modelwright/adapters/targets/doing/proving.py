"""Waits for instances: until they have passed their gate, or cannot any more; until nobody has a stream open."""

from __future__ import annotations

import asyncio

from modelwright.adapters.targets.doing.ground import Found, Ground, Instances
from modelwright.adapters.targets.kept import Mask, Probe, Streams
from modelwright.core.deploying.workloads import Gate, Workload
from modelwright.core.errors.deploying import StepFailed
from modelwright.core.ports.clock import Clock

_LOOK, _LONGEST = 0.1, 1.0
"""Seconds between two looks, at least and at most."""
_PART = 1 / 8
"""Of the time that an instance has taken so far: so much later than it is ready is it seen at most."""
_ONCE = 10.0
"""Seconds that one request may take, such as a real inference."""


class Proving:
    """Of one environment."""

    def __init__(self, ground: Ground, instances: Instances, clock: Clock) -> None:
        self._ground = ground
        self._instances = instances
        self._clock = clock

    async def prove(self, workload: Workload, release: str, gate: Gate) -> None:
        """All of its instances, within the gate's deadline. Raises StepFailed with the last lines of its log."""
        until = self._clock.monotonic() + gate.deadline
        count = 1 if workload.lasting else workload.replicas
        try:
            async with asyncio.TaskGroup() as group:
                for index in range(count):
                    group.create_task(self._one(workload, release, index=index, gate=gate, until=until))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def passes(self, workload: Workload, release: str, gate: Gate) -> bool:
        """Whether all of them do, now."""
        for index in range(1 if workload.lasting else workload.replicas):
            name = self._instances.name(workload.name, release, index)
            found = await self._instances.found(name)
            if found is None or _trouble(found, gate) or await self._problem(workload, release, index=index, gate=gate):
                return False
        return True

    async def drain(self, workload: str, release: str, *, grace: float) -> None:
        """Until no stream is open any more, or the grace is over."""
        until = self._clock.monotonic() + grace
        while await self.streams(workload, release) and self._clock.monotonic() < until:  # noqa: ASYNC110 - the edge is asked
            await asyncio.sleep(0.25)

    async def streams(self, workload: str, release: str) -> int:
        return await self._ground.ask(Streams(workload=workload, release=release), int)

    async def tail(self, name: str) -> str:
        """The last lines of its log, without secrets, as the end of a sentence."""
        said = await self._instances.said(name)
        if not said:
            return "; it has logged nothing"
        return "; its last lines:\n" + await self._ground.ask(Mask(text=said), str)

    async def _one(self, workload: Workload, release: str, *, index: int, gate: Gate, until: float) -> None:
        name, begun = self._instances.name(workload.name, release, index), self._clock.monotonic()
        while True:
            found = await self._instances.found(name)
            trouble = _trouble(found, gate)
            if trouble:
                await self._fail(f"{name} {trouble}", name, "mend what its log says, then deploy again")
            problem = await self._problem(workload, release, index=index, gate=gate)
            if not problem:
                return
            now = self._clock.monotonic()
            look = min(_LONGEST, max(_LOOK, _PART * (now - begun)))
            if now + look > until:
                words = f"{name} has not passed its gate within {gate.deadline:g} s: {problem}"
                await self._fail(words, name, "see its log, or give the gate a longer deadline")
            await asyncio.sleep(look)

    async def _problem(self, workload: Workload, release: str, *, index: int, gate: Gate) -> str:
        """Empty: it passes."""
        address, within = self._instances.address(workload, release, index), min(_ONCE, max(1.0, gate.deadline))
        return await self._ground.ask(Probe(address=address, gate=gate, within=within), str)

    async def _fail(self, words: str, name: str, hint: str) -> None:
        raise StepFailed(words + await self.tail(name), hint=hint)


def _trouble(found: Found | None, gate: Gate) -> str:
    """Why it will not pass any more; empty while it may."""
    if found is None:
        return "is not there: somebody has removed it"
    if found.restarts > gate.restarts:
        how = found.reason or f"ended with {found.status}"
        return f"was started again {found.restarts} times: it {how}"
    return "" if found.status is None else f"has ended with {found.status}"
