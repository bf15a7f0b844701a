"""Carries out a plan on a target: under a lease, a step at a time, each written down before and after.

Whoever comes later, from whichever machine, goes on where the journal ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

import msgspec

from modelwright.core.deploying.journal import Begun, Ended, Entry, Failed, Settled, Taken, Turned
from modelwright.core.deploying.steps import Plan, Step
from modelwright.core.errors.deploying import Drifted, Interrupted, LeaseLost, StepFailed
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.deploying.targets import Lease, Target
from modelwright.deploy.planning import world
from modelwright.deploy.progress import Do, Over, Progress, Undo, progress

Outcome = Literal["deployed", "undone"]


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Whose deploy it is."""

    who: str
    where: str
    why: str = ""


class Carrier:
    """One person's hold on one target."""

    def __init__(self, target: Target, author: Author, *, clock: Clock, tell: Callable[[Entry], None]) -> None:
        """`tell` hears of every entry of the journal."""
        self._target = target
        self._author = author
        self._clock = clock
        self._tell = tell
        self._epoch = 0

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

    async def resume(self) -> Outcome | None:
        """Go on with what was begun; None when there is nothing."""
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
                    outcome: Outcome = "deployed" if deployed else "undone"
                    await self._write(Ended(at=self._clock.now(), epoch=self._epoch, outcome=outcome))
                    return outcome
                case Do(number, step):
                    try:
                        await self._one(number, step, undo=False)
                    except StepFailed as error:
                        if now.recorded:
                            raise
                        await self._turn(error.message)
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
                elif not await hands.holds(step):
                    await hands.do(step)
        except (StepFailed, TimeoutError) as error:
            failed = error if isinstance(error, StepFailed) else _too_late(step, undo=undo)
            await self._write(Failed(at=at(), epoch=epoch, number=number, problem=failed.message, undo=undo))
            raise failed from error
        await self._write(Settled(at=at(), epoch=epoch, number=number, undo=undo))

    async def _turn(self, reason: str) -> None:
        await self._write(Turned(at=self._clock.now(), epoch=self._epoch, reason=reason))

    async def _write(self, entry: Entry) -> None:
        await self._target.journal.append(entry)
        self._tell(entry)

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[None]:
        """Hold the lease meanwhile; when it is lost, what is being done stops at once."""
        author = self._author
        lease = await self._target.leases.take(f"{author.who} on {author.where}")
        self._epoch = lease.epoch
        try:
            async with asyncio.TaskGroup() as group:
                renewing = group.create_task(self._renew(lease))
                yield
                renewing.cancel()
        except BaseExceptionGroup as errors:
            raise next((one for one in errors.exceptions if isinstance(one, ModelwrightError)), errors) from None
        finally:
            await self._target.leases.leave(lease)

    async def _renew(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(lease.lasts / 3)
            lease = await self._target.leases.renew(lease)


def _too_late(step: Step, *, undo: bool) -> StepFailed:
    words = f"{'undoing ' if undo else ''}{named(step)} took longer than {step.deadline:g} s"
    return StepFailed(words, hint="look at the target, then resume or abort")


def named(step: Step) -> str:
    """A step in a few words, such as `start api in r7`."""
    fields = msgspec.structs.asdict(step)
    verb = str(step.__struct_config__.tag)
    what = next((str(fields[name]) for name in ("workload", "image", "volume") if fields.get(name)), "")
    release = str(fields.get("release", ""))
    return " ".join(word for word in (verb, what, f"in {release}" if what and release else release) if word)
