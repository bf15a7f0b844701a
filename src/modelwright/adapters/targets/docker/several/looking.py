"""What runs on several hosts of one environment, and on which; a host that does not answer is named."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from modelwright.adapters.targets.docker.engine import Engine
from modelwright.adapters.targets.docker.environment import Environment
from modelwright.adapters.targets.docker.looking import DockerObserver
from modelwright.adapters.targets.docker.several.swarm import see_joined
from modelwright.core.deploying.observed import Host, Observed, Served
from modelwright.core.errors.deploying import TargetUnreachable


class SeveralObserver:
    """Observer; the first host has the memory."""

    def __init__(self, observers: Mapping[str, DockerObserver], environments: Mapping[str, Environment]) -> None:
        """Both by host's name, in order."""
        self._observers = observers
        self._engines = {name: one.engine for name, one in environments.items()}
        self._first = next(iter(observers.values()))

    async def observe(self) -> Observed:
        """Raises DeployError when they are not joined."""
        await answering(self._engines)
        await see_joined(self._engines)
        seen = await asyncio.gather(*(one.observe() for one in self._observers.values()))
        return msgspec.structs.replace(
            seen[0],
            instances=tuple(
                msgspec.structs.replace(instance, host=name)
                for name, one in zip(self._observers, seen, strict=True)
                for instance in one.instances
            ),
            hosts=tuple(
                Host(name=name, images=one.images, volumes=one.volumes)
                for name, one in zip(self._observers, seen, strict=True)
            ),
            gpus=sum(one.gpus for one in seen),
        )

    async def history(self) -> Sequence[Served]:
        return await self._first.history()


async def answering(engines: Mapping[str, Engine]) -> None:
    """Whether each host does; raises TargetUnreachable."""
    found = await asyncio.gather(*(engine.api() for engine in engines.values()), return_exceptions=True)
    first = next(iter(engines))
    for name, error in zip(engines, found, strict=True):
        if isinstance(error, TargetUnreachable) and name != first:
            hint = f"{error.hint}; or take it out of `hosts`, and a deploy makes elsewhere what ran there"
            raise TargetUnreachable(
                f"the host {name} is away: {error.message}", hint=hint, place=error.place
            ) from error
        if isinstance(error, BaseException):
            raise error
