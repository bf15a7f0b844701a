"""Does the steps of a deploy on several hosts: each host's own hands what is done there, others what concerns all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import msgspec

from modelwright.core.deploying.naming import named
from modelwright.core.deploying.steps import Bring, Fill, Place, Prune, Start, Step
from modelwright.core.errors.deploying import StepFailed
from modelwright.core.ports.deploying.targets import Hands


class SeveralHands:
    """Hands of one environment; the first host has the memory, and whatever the others have."""

    def __init__(
        self, hosts: Mapping[str, Hands], *, whole: Hands, known: Callable[[], Awaitable[Collection[str]]]
    ) -> None:
        """`hosts`: by name, what is done on each; `whole`: what is done once, and sees all; `known`: releases."""
        self._hosts = hosts
        self._first, *self._others = hosts
        self._whole = whole
        self._known = known

    async def holds(self, step: Step) -> bool:
        match step:
            case Bring() | Fill() | Place():
                seen = [await self._hosts[name].holds(_for(name, self._first, step)) for name in self._where(step)]
                return all(seen)
            case _:
                return await self._whole.holds(step)

    async def do(self, step: Step) -> None:
        match step:
            case Bring() | Fill():
                where = self._where(step)
                await self._each(where[:1], step)  # the others' images come from there
                await self._each(where[1:], step)
            case Place():
                await self._each(self._others, step)  # a release that the first one knows is whole
                await self._each([self._first], step)
            case Start():
                self._where(step)
                placed = step.hosts or (self._first,) * step.replicas
                await self._each(self._others, msgspec.structs.replace(step, hosts=placed))
                await self._each([self._first], msgspec.structs.replace(step, hosts=placed))  # which tells of all
            case Prune():
                await self._each([self._first], step)
                await self._each(self._others, step)
            case _:
                await self._whole.do(step)

    async def undo(self, step: Step) -> None:
        await self._whole.undo(step)
        if isinstance(step, Place) and not step.known and step.release not in await self._known():
            await self._each(self._others, Prune(releases=(step.release,)))

    async def _each(self, names: Sequence[str], step: Step) -> None:
        """Side by side, each to its end; raises what went wrong first."""
        try:
            async with asyncio.TaskGroup() as group:
                for name in names:
                    group.create_task(self._one(name, step))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _one(self, name: str, step: Step) -> None:
        hands, mine = self._hosts[name], _for(name, self._first, step)
        try:
            if not await hands.holds(mine):
                await hands.do(mine)
        except StepFailed as error:
            raise StepFailed(error.message, hint=error.hint, place=error.place or name) from error

    def _where(self, step: Bring | Fill | Place | Start) -> Sequence[str]:
        """Raises StepFailed for a host that is not known any more."""
        if isinstance(step, Place):
            return [*self._hosts]
        for name in step.hosts:
            if name not in self._hosts:
                problem = f"{named(step)}: the host {name} is not one of the target's any more"
                raise StepFailed(problem, hint="deploy again", place=name)
        return step.hosts or [self._first]


def _for(name: str, first: str, step: Step) -> Step:
    """No other host is given secrets of what lasts, which never runs there."""
    if name == first or not isinstance(step, Place):
        return step
    moving = tuple(work for work in step.desired.workloads if not work.lasting)
    return msgspec.structs.replace(step, desired=msgspec.structs.replace(step.desired, workloads=moving))
