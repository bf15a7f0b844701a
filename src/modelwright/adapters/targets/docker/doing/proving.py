"""Waits for instances: until they have passed their gate, or cannot any more; until nobody has a stream open."""

from __future__ import annotations

import asyncio
from typing import Any

from modelwright.adapters.targets.docker.doing.containers import Containers
from modelwright.adapters.targets.docker.environment import Environment
from modelwright.adapters.targets.docker.names import host_name
from modelwright.adapters.targets.kept import Mask, Probe, Streams
from modelwright.core.deploying.workloads import Gate, Workload
from modelwright.core.errors.deploying import StepFailed
from modelwright.core.ports.clock import Clock

_LOOK = 0.1
"""Seconds between the first two looks; twice as many before each next one."""
_LONGEST = 1.0
_ONCE = 10.0
"""Seconds that one request may take, such as a real inference."""


class Proving:
    """Of one environment."""

    def __init__(self, environment: Environment, containers: Containers, clock: Clock) -> None:
        self._environment = environment
        self._containers = containers
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
            name = self._environment.names.container(workload.name, release, index)
            found = await self._containers.found(name)
            if found is None or _trouble(found, gate) or await self._problem(workload, release, index=index, gate=gate):
                return False
        return True

    async def drain(self, workload: str, release: str, *, grace: float) -> None:
        """Until no stream is open any more, or the grace is over."""
        until = self._clock.monotonic() + grace
        while await self.streams(workload, release) and self._clock.monotonic() < until:  # noqa: ASYNC110 - the edge is asked
            await asyncio.sleep(0.25)

    async def streams(self, workload: str, release: str) -> int:
        return await self._environment.ask(Streams(workload=workload, release=release), int)

    async def tail(self, name: str) -> str:
        """The last lines of its log, without secrets, as the end of a sentence."""
        said = await self._containers.said(name)
        if not said:
            return "; it has logged nothing"
        return "; its last lines:\n" + await self._environment.ask(Mask(text=said), str)

    async def _one(self, workload: Workload, release: str, *, index: int, gate: Gate, until: float) -> None:
        name, look, problem = self._environment.names.container(workload.name, release, index), _LOOK, "not asked yet"
        while True:
            found = await self._containers.found(name)
            trouble = _trouble(found, gate)
            if trouble:
                await self._fail(f"{name} {trouble}", name, "mend what its log says, then deploy again")
            problem = await self._problem(workload, release, index=index, gate=gate)
            if not problem:
                return
            if self._clock.monotonic() + look > until:
                words = f"{name} has not passed its gate within {gate.deadline:g} s: {problem}"
                await self._fail(words, name, "see its log, or give the gate a longer deadline")
            await asyncio.sleep(look)
            look = min(_LONGEST, 2 * look)

    async def _problem(self, workload: Workload, release: str, *, index: int, gate: Gate) -> str:
        """Empty: it passes."""
        address = f"{host_name(workload.name, release, index)}:{workload.port}"
        within = min(_ONCE, max(1.0, gate.deadline))
        return await self._environment.ask(Probe(address=address, gate=gate, within=within), str)

    async def _fail(self, words: str, name: str, hint: str) -> None:
        raise StepFailed(words + await self.tail(name), hint=hint)


def _trouble(found: dict[str, Any] | None, gate: Gate) -> str:
    """Why it will not pass any more; empty while it may."""
    if found is None:
        return "is not there: somebody has removed it"
    state, restarts = found["State"], found.get("RestartCount", 0)
    if restarts > gate.restarts:
        how = "was out of memory" if state.get("OOMKilled") else f"ended with {state['ExitCode']}"
        return f"was started again {restarts} times: it {how}"
    if state["Status"] in {"exited", "dead"}:
        return f"has ended with {state['ExitCode']}"
    return ""
