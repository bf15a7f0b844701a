"""Does the steps of a deploy; each can be done again, by whoever, wherever it was cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from modelwright.adapters.targets.doing.fronts import Fronts
from modelwright.adapters.targets.doing.ground import ONCE, Ground, Instances, Stock
from modelwright.adapters.targets.doing.listing import Lists
from modelwright.adapters.targets.doing.placing import Placing
from modelwright.adapters.targets.doing.proving import Proving
from modelwright.adapters.targets.kept import Entries, Forget, History, KeptLeases, Memory
from modelwright.adapters.targets.kept import Record as Recorded
from modelwright.core.deploying.journal import Begun, Entry
from modelwright.core.deploying.naming import named
from modelwright.core.deploying.observed import Served
from modelwright.core.deploying.steps import (
    Bring,
    Drain,
    Fill,
    Keep,
    Place,
    Prove,
    Prune,
    Record,
    Retire,
    Run,
    Shift,
    Start,
    Step,
    Watch,
)
from modelwright.core.deploying.workloads import Desired, Gate, Workload, digest_of
from modelwright.core.errors.deploying import StepFailed
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.deploying.targets import Contents

_GRACE = 30.0
"""Seconds for what nobody describes any more."""
_OPENS = 45.0
"""Seconds in which what lasts and has no gate has to take a connection."""


class StepHands:
    """Of one environment, under the lease that `leases` has got."""

    def __init__(
        self,
        ground: Ground,
        *,
        leases: KeptLeases,
        stock: Stock,
        instances: Instances,
        contents: Contents,
        clock: Clock,
        host: str = "",
        others: Instances | None = None,
    ) -> None:
        """`host`: of several, the one whose instances it starts; empty: all. `others`: those of all hosts, whom it
        tells of; None: its own.
        """
        self._ground = ground
        self._host = host
        self._leases = leases
        self._stock = stock
        self._instances = instances
        self._placing = Placing(ground, stock, contents)
        self._proving = Proving(ground, instances, clock)
        self._fronts = Fronts(ground, others or instances, leases)
        self._lists = Lists(ground, others or instances, leases)

    async def holds(self, step: Step) -> bool:
        return await self._holds(step)

    async def do(self, step: Step) -> None:
        try:
            await self._do(step)
        except StepFailed as error:
            raise StepFailed(f"{named(step)}: {error.message}", hint=error.hint, place=error.place) from error

    async def undo(self, step: Step) -> None:
        try:
            await self._undo(step)
        except StepFailed as error:
            raise StepFailed(f"undo {named(step)}: {error.message}", hint=error.hint, place=error.place) from error

    async def _holds(self, step: Step) -> bool:
        ask = self._ground.ask
        match step:
            case Bring(image=image):
                return await self._stock.is_there(image)
            case Fill(volume=volume, digest=digest):
                return await self._stock.is_full(volume, digest)
            case Place(release=release, desired=desired):
                known = (await self._ground.memory()).releases.get(release)
                return known == desired and not await self._placing.lacking(desired)
            case Keep(workload=name, digest=digest):
                _, workload = _described(await self._ground.memory(), name, digest)
                return await self._instances.runs(workload)
            case Run(workload=name, release=release):
                return await self._ran(name, release) == 0
            case Shift(routes=routes, shares=shares, trusted=trusted):
                return await self._fronts.stands(routes, shares, trusted)
            case Record(release=release, share=share):
                newest = next(iter(await ask(History(), tuple[Served, ...])), None)
                return newest is not None and (newest.release, newest.share) == (release, share)
            case Drain(workload=name, release=release):
                return not await self._proving.streams(name, release)
            case Retire(workload=name, release=release):
                return not await self._instances.of(name, release)
            case Prune() | Start() | Prove():
                return False  # doing it looks first
            case Watch():
                return True

    async def _do(self, step: Step) -> None:
        match step:
            case Bring() | Fill() | Place() | Prune():
                await self._supply(step)
            case Keep(workload=name, digest=digest):
                await self._keep(name, digest)
            case Run():
                await self._run(step)
            case Start():
                await self._start(step)
            case Prove(workload=name, release=release, gate=gate):
                await self._proving.prove(await self._workload(name, release), release, gate)
                await self._fronts.afresh(name, release)
            case Shift(routes=routes, shares=shares, trusted=trusted):
                await self._fronts.direct(routes, shares, trusted)
            case Record():
                await self._record(step)
            case Drain(workload=name, release=release):
                await self._drain(name, release)
            case Retire(workload=name, release=release):
                await self._retire(name, release)
            case Watch():
                pass

    async def _supply(self, step: Bring | Fill | Place | Prune) -> None:
        """What releases are made of."""
        epoch = self._leases.epoch
        match step:
            case Bring(image=image):
                await self._stock.bring(image)
            case Fill(volume=volume, digest=digest):
                await self._stock.fill(volume, digest, epoch=epoch)
            case Place(release=release, desired=desired):
                await self._placing.place(release, desired, epoch=epoch)
            case Prune(releases=releases):
                await self._ground.ask(Forget(epoch=epoch, releases=releases), type(None))
                memory = await self._ground.memory()
                await self._stock.release(_images(memory.releases.values()))
                for volume in {*memory.volumes} - _filled(memory.releases.values()):
                    await self._stock.empty(volume, epoch=epoch)

    async def _undo(self, step: Step) -> None:
        match step:
            case Place(release=release, known=False):
                epoch = self._leases.epoch
                await self._ground.ask(Forget(epoch=epoch, releases=(release,), unserved=True), type(None))
            case Keep(workload=name, before=before, digest=digest) if before != digest:
                await self._keep_again(name, before)
            case Start(workload=name, release=release, known=False):
                if not await self._fronts.serves(name, release):
                    await self._drain(name, release)
                    await self._retire(name, release)
            case Run(workload=name, release=release):
                await self._instances.remove(self._instances.name(name, release, ONCE), grace=_GRACE)
            case Shift(old_routes=routes, old_shares=shares, old_trusted=trusted):
                await self._fronts.direct(routes, shares, trusted)
            case _:
                pass

    async def _keep(self, name: str, digest: str) -> None:
        desired, workload = _described(await self._ground.memory(), name, digest)
        if workload.kind == "edge":
            if await self._fronts.lacks(desired):
                await self._instances.remove(self._instances.name(name), grace=workload.grace)
            await self._fronts.again(desired)
        await self._instances.run(workload)
        await self._lists.write()
        if workload.gate is None and workload.port:
            await self._proving.prove(workload, "", Gate(path="", deadline=_OPENS))

    async def _keep_again(self, name: str, before: str) -> None:
        """As it was; by a description that nobody knows any more, it stays as it is, with all that it holds."""
        if not before:
            await self._instances.remove(self._instances.name(name), grace=await self._grace(name, ""))
        elif _knows(await self._ground.memory(), name, before):
            await self._keep(name, before)

    async def _run(self, step: Run) -> None:
        """Once, to its end, by whoever looks."""
        name, release = step.workload, step.release
        workload, container = await self._workload(name, release), self._instances.name(name, release, ONCE)
        if not await self._instances.runs(workload, release, index=ONCE):
            await self._instances.run(workload, release, index=ONCE)
        while (status := await self._ran(name, release)) is None:  # noqa: ASYNC110 - the engine is what is asked
            await asyncio.sleep(0.25)
        if status:
            words = f"`{' '.join(workload.before)}` has ended with {status}" + await self._proving.tail(container)
            raise StepFailed(words, hint="mend what its log says, then deploy again")

    async def _ran(self, workload: str, release: str) -> int | None:
        """Status with which it has ended; None: it has not."""
        found = await self._instances.found(self._instances.name(workload, release, ONCE))
        return found.status if found is not None else None

    async def _start(self, step: Start) -> None:
        workload, release = await self._workload(step.workload, step.release), step.release
        indexes = [index for index in range(step.replicas) if not self._host or step.hosts[index] == self._host]
        wanted = [self._instances.name(step.workload, release, index) for index in indexes]
        once = self._instances.name(step.workload, release, ONCE)
        others = [name for name in await self._instances.of(step.workload, release) if name not in {*wanted, once}]
        await _all(
            *(self._instances.remove(name, grace=workload.grace) for name in others),
            *(
                self._instances.run(workload, release, index=index, digest=step.digest, peers=step.peers)
                for index in indexes
            ),
        )
        if workload.gate is None:
            await self._fronts.afresh(step.workload, release)
        await self._lists.write()

    async def _record(self, step: Record) -> None:
        entries = await self._ground.ask(Entries(), tuple[Entry, ...])
        begun = next((one for one in entries if isinstance(one, Begun)), None)
        memory = await self._ground.memory()
        served = Served(
            release=step.release,
            at=0.0,
            digest=digest_of(memory.releases[step.release]),
            who=begun.who if begun else "",
            where=begun.where if begun else "",
            why=begun.why if begun else "",
            share=step.share,
        )
        await self._ground.ask(Recorded(epoch=self._leases.epoch, served=served), type(None))

    async def _drain(self, workload: str, release: str) -> None:
        await self._proving.drain(workload, release, grace=await self._grace(workload, release))

    async def _retire(self, workload: str, release: str) -> None:
        """The edge forgets them first: what it does not know, nobody is sent to; and nobody misses them."""
        await self._fronts.without(workload, release)
        await self._lists.write(but=(workload, release))
        grace = await self._grace(workload, release)
        names = await self._instances.of(workload, release)
        await _all(*(self._instances.remove(name, grace=grace) for name in names))

    async def _workload(self, name: str, release: str) -> Workload:
        """Raises StepFailed when nobody knows it."""
        memory = await self._ground.memory()
        known = (
            [memory.releases[release]] if release in memory.releases else [] if release else memory.releases.values()
        )
        found = next((work for one in known for work in one.workloads if work.name == name), None)
        if found is None:
            raise StepFailed(f"the target does not know what {name} is in {release}", hint="deploy again")
        return found

    async def _grace(self, name: str, release: str) -> float:
        try:
            return (await self._workload(name, release)).grace
        except StepFailed:
            return _GRACE


def _described(memory: Memory, name: str, digest: str) -> tuple[Desired, Workload]:
    """By the newest release that describes it so. Raises StepFailed."""
    for desired in memory.releases.values():
        for work in desired.workloads:
            if work.name == name and digest_of(work) == digest:
                return desired, work
    raise StepFailed(f"the target does not know {name} by the description {digest}", hint="deploy again")


def _knows(memory: Memory, name: str, digest: str) -> bool:
    works = (work for desired in memory.releases.values() for work in desired.workloads)
    return any(work.name == name and digest_of(work) == digest for work in works)


def _filled(releases: Iterable[Desired]) -> set[str]:
    return {mount.volume for one in releases for work in one.workloads for mount in work.mounts if mount.digest}


def _images(releases: Iterable[Desired]) -> set[tuple[str, str]]:
    return {(work.name, work.image) for one in releases for work in one.workloads}


async def _all(*acts: Coroutine[Any, Any, None]) -> None:
    """Side by side, each to its end; raises what went wrong first."""
    try:
        async with asyncio.TaskGroup() as group:
            for act in acts:
                group.create_task(act)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
