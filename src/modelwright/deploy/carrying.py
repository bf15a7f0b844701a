"""Carries out a plan on a target: under a lease, a step at a time, each written down before and after.

Whoever comes later, from whichever machine, goes on where the journal ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Literal

import msgspec

from modelwright.core.deploying.journal import Begun, Ended, Entry, Failed, Settled, Taken, Turned
from modelwright.core.deploying.naming import named
from modelwright.core.deploying.steps import Plan, Record, Step, Watch
from modelwright.core.deploying.trials import ALL
from modelwright.core.errors.deploying import DeployError, Drifted, Interrupted, LeaseHeld, LeaseLost, StepFailed
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.deploying.targets import Lease, Target
from modelwright.deploy.judging import between, judged
from modelwright.deploy.planning import world
from modelwright.deploy.progress import Do, Over, Progress, Undo, progress

Outcome = Literal["deployed", "undone", "held"]

LOOK = 5.0
"""Seconds between two looks at a release on trial, or fewer where it is watched for a short time only."""
_ASK = 0.5
"""Seconds between two questions whether a lease was renewed or has run out."""


class _HeldError(Exception):
    """Nobody can say whether the trial goes well."""


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Whose deploy it is."""

    who: str
    where: str
    why: str = ""


class Carrier:
    """One person's hold on one target."""

    def __init__(
        self, target: Target, author: Author, *, clock: Clock, tell: Callable[[Entry | LeaseHeld], None]
    ) -> None:
        """`tell` hears of every entry of the journal, and of somebody's lease when it has to be waited for."""
        self._target = target
        self._author = author
        self._clock = clock
        self._tell = tell
        self._epoch = 0
        self._judged = True

    async def deploy(self, plan: Plan) -> Outcome:
        """Do all of a plan, or none of it.

        Raises Interrupted while another one has not ended, Drifted when the target is not what the plan was made for,
        and StepFailed when a step behind the record cannot be done: `resume` goes on there.
        """
        async with self._lease():
            now = progress(await self._target.journal.entries())
            if now is not None and not now.ended:
                raise Interrupted(
                    f"a deploy of {now.plan.release} was begun and has not ended",
                    hint="resume or abort it first",
                )
            if world(await self._target.observer.observe()) != plan.world:
                raise Drifted("the target has changed since the plan was made", hint="plan again, and look at it")
            author = self._author
            begun = Begun(
                at=self._clock.now(), epoch=self._epoch, plan=plan, who=author.who, where=author.where, why=author.why
            )
            await self._write(begun)
            return await self._go_on()

    async def resume(self, *, judged: bool = True) -> Outcome | None:
        """Go on with what was begun, and not judged, take a trial for passed; None when there is nothing."""
        self._judged = judged
        async with self._lease():
            return await self._go_on() if await self._open() else None

    async def abort(self) -> Outcome | None:
        """Undo what was begun, or finish it when it is too late for that; None when there is nothing."""
        async with self._lease():
            now = await self._open()
            if now is None:
                return None
            if not now.back and not now.recorded:
                await self._turn(f"{self._author.who} asked to")
            return await self._go_on()

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Nobody else changes the target meanwhile, for what is no plan."""
        return self._lease()

    async def _open(self) -> Progress | None:
        now = progress(await self._target.journal.entries())
        return None if now is None or now.ended else now

    async def _go_on(self) -> Outcome:
        while True:
            now = progress(await self._target.journal.entries())
            if now is None:
                raise LeaseLost("the journal of the target is gone", hint="deploy again")
            match now.next:
                case Over(deployed=deployed):
                    return await self._end("deployed" if deployed else "undone")
                case Do(number, step):
                    try:
                        await self._one(number, step, undo=False)
                    except _HeldError:
                        return await self._end("held")
                    except StepFailed as error:
                        if now.recorded or (isinstance(step, Record) and step.share == ALL):
                            raise
                        await self._turn(error.message, hint=error.hint)
                case Undo(number, step):
                    await self._one(number, step, undo=True)

    async def _one(self, number: int, step: Step, *, undo: bool) -> None:
        """Raises StepFailed."""
        hands, at, epoch = self._target.hands, self._clock.now, self._epoch
        await self._write(Taken(at=at(), epoch=epoch, number=number, undo=undo))
        try:
            async with asyncio.timeout(step.deadline):
                if undo:
                    await hands.undo(step)
                elif isinstance(step, Watch):
                    await self._watch(step)
                elif not await hands.holds(step):
                    await hands.do(step)
        except (StepFailed, TimeoutError) as error:
            failed = error if isinstance(error, StepFailed) else _too_late(step, undo=undo)
            await self._write(Failed(at=at(), epoch=epoch, number=number, problem=failed.message, undo=undo))
            raise failed from error
        await self._write(Settled(at=at(), epoch=epoch, number=number, undo=undo))

    async def _watch(self, step: Watch) -> None:
        """Raises StepFailed when something speaks against it, and _HeldError when nobody can tell."""
        if not self._judged:
            return
        watcher, begun = self._target.watcher, self._clock.monotonic()
        start = await watcher.seen() if watcher is not None else ()
        while True:
            seen = between(start, await watcher.seen()) if watcher is not None else ()
            decision = judged(step, seen, past=self._clock.monotonic() - begun)
            if decision is None:
                await asyncio.sleep(min(LOOK, step.seconds / 10))
            elif decision.action == "roll_back":
                raise StepFailed(f"{step.release} does not keep to the rules: {decision.reason}", hint="see its logs")
            elif decision.action == "hold":
                raise _HeldError
            else:
                return

    async def _end(self, outcome: Outcome) -> Outcome:
        await self._write(Ended(at=self._clock.now(), epoch=self._epoch, outcome=outcome))
        return outcome

    async def _turn(self, reason: str, *, hint: str = "") -> None:
        await self._write(Turned(at=self._clock.now(), epoch=self._epoch, reason=reason, hint=hint))

    async def _write(self, entry: Entry) -> None:
        await self._target.journal.append(entry)
        self._tell(entry)

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[None]:
        """Hold the lease meanwhile; when it is lost, what is being done stops at once."""
        lease = await self._take()
        self._epoch = lease.epoch
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew(lease))
                yield
                renewing.cancel()
        except BaseExceptionGroup as errors:
            raise next(
                (one for one in errors.exceptions if isinstance(one, ModelwrightError)), errors.exceptions[0]
            ) from None
        finally:
            with suppress(DeployError):
                await self._target.leases.leave(lease)

    async def _take(self) -> Lease:
        """Raises LeaseHeld when its owner lives, that is, when he renews it; of a dead one the end is waited for."""
        owner, seen = f"{self._author.who} on {self._author.where}", None
        while True:
            try:
                return await self._target.leases.take(owner)
            except LeaseHeld as held:
                if seen is None:
                    self._tell(held)
                elif held.until != seen:
                    raise
                seen = held.until
            await asyncio.sleep(_ASK)

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(lease.lasts / 3)
            lease = await self._target.leases.renew(lease)


def _too_late(step: Step, *, undo: bool) -> StepFailed:
    words = f"{'undoing ' if undo else ''}{named(step)} took longer than {step.deadline:g} s"
    return StepFailed(words, hint="look at the target, then resume or abort")
