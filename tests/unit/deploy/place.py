"""A target over the world in memory, for whoever carries out plans: its leases run by a clock that tests move."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from modelwright.core.deploying.journal import Begun, Entry
from modelwright.core.deploying.observed import Observed, Served
from modelwright.core.deploying.steps import Record, Step
from modelwright.core.errors.deploying import LeaseHeld, LeaseLost, StepFailed
from modelwright.core.experiments.intervals import Interval, share
from modelwright.core.experiments.observations import Observation
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.deploying.targets import Lease, Target
from tests.unit.deploy.world import World

LASTS = 0.03
"""Seconds of a lease: it is renewed every hundredth."""


class Place:
    """Observer, hands, journal and leases in one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clock = ManualClock()
        """The target's own."""
        self.lease = Lease(owner="", epoch=0, until=0.0, lasts=LASTS)
        self.hangs: set[str] = set()
        """Tags of steps that never come to their end."""
        self.hanging = asyncio.Event()
        """One of them was reached."""
        self.fails: set[str] = set()
        """Tags of steps that cannot be done; `undo TAG`: undone."""
        self.served: list[Served] = []
        self.done: list[str] = []
        """Tags of what was done, `undo TAG` of what was undone."""

    @property
    def target(self) -> Target:
        return Target(observer=self, hands=self, journal=self, leases=self)

    async def observe(self) -> Observed:
        return self.world.observed

    async def history(self) -> Sequence[Served]:
        return tuple(reversed(self.served))

    async def holds(self, step: Step) -> bool:
        return False

    async def do(self, step: Step) -> None:
        await self._act(str(step.__struct_config__.tag))
        try:
            self.world.do(step)
        except RuntimeError as error:
            raise StepFailed(str(error)) from error
        if isinstance(step, Record):
            self.clock.advance(60.0)
            at = self.clock.now()
            self.served.append(
                Served(release=step.release, at=at, digest="d", who="ada", where="here", share=step.share)
            )

    async def undo(self, step: Step) -> None:
        await self._act(f"undo {step.__struct_config__.tag}")
        self.world.undo(step)

    async def entries(self) -> Sequence[Entry]:
        begun = [number for number, entry in enumerate(self.world.entries) if isinstance(entry, Begun)]
        return self.world.entries[begun[-1] :] if begun else []

    async def append(self, entry: Entry) -> None:
        if entry.epoch < self.lease.epoch:
            raise LeaseLost(f"{self.lease.owner} has taken over")
        self.world.write(entry)

    async def take(self, owner: str) -> Lease:
        if self.clock.now() < self.lease.until:
            raise LeaseHeld(f"{self.lease.owner} is changing it", until=self.lease.until)
        self.lease = Lease(owner=owner, epoch=self.lease.epoch + 1, until=self.clock.now() + LASTS, lasts=LASTS)
        return self.lease

    async def renew(self, lease: Lease) -> Lease:
        if lease.epoch != self.lease.epoch:
            raise LeaseLost(f"{self.lease.owner} has taken over")
        self.clock.advance(0.001)
        self.lease = Lease(owner=lease.owner, epoch=lease.epoch, until=self.clock.now() + LASTS, lasts=LASTS)
        return self.lease

    async def leave(self, lease: Lease) -> None:
        if lease.epoch == self.lease.epoch:
            self.lease = Lease(owner="", epoch=lease.epoch, until=0.0, lasts=LASTS)

    async def _act(self, tag: str) -> None:
        self.done.append(tag)
        if tag in self.fails:
            raise StepFailed(f"{tag} is out of order", hint="mend it")
        if tag in self.hangs:
            self.hanging.set()
            await asyncio.Event().wait()


class Counts:
    """A watcher that has always seen the same."""

    def __init__(self, *seen: Observation) -> None:
        self._seen = seen
        self._asked = 0

    async def seen(self) -> Sequence[Observation]:
        self._asked += 1
        return self._seen if self._asked > 1 else ()


def counted(release: str, calls: int, failures: int = 0, *, latency_ms: float = 10.0) -> Observation:
    """What was seen of a release."""
    return Observation(
        variant=release,
        calls=calls,
        failures=failures,
        failure_share=share(failures, calls),
        latency_p50_ms=Interval(latency_ms, latency_ms, latency_ms) if calls else None,
        latency_p95_ms=None,
        first_token_p50_ms=None,
        input_tokens=0,
        output_tokens=0,
        cost={},
        unpriced=0,
        feedback=0,
        score=None,
    )
