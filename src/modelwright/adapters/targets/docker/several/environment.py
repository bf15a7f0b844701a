"""What an environment has on several hosts before anything runs in it: the same on each, but networks and memory."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from modelwright.adapters.targets.docker.environment import Environment
from modelwright.adapters.targets.docker.several.looking import answering
from modelwright.adapters.targets.docker.several.swarm import see_joined
from modelwright.adapters.targets.kept import Memory


class SeveralEnvironments:
    """That of one project; the first host is the one that remembers."""

    def __init__(self, environments: Mapping[str, Environment]) -> None:
        """By host's name, in order."""
        self._environments = environments
        self._engines = {name: one.engine for name, one in environments.items()}
        self._first, *self._others = environments.values()
        self.names, self.ask, self.engine = self._first.names, self._first.ask, self._first.engine

    def keep_by(self, image: str) -> None:
        """Keepers run from this image from now on."""
        for one in self._environments.values():
            one.keep_by(image)

    async def prepare(self) -> None:
        """Make what is not there. Raises StepFailed, and DeployError when the hosts are not joined."""
        await answering(self._engines)
        await see_joined(self._engines)
        await self._first.prepare()
        await asyncio.gather(*(one.prepare() for one in self._others))

    async def is_there(self) -> bool:
        """Whether anything was ever done here."""
        return await self._first.is_there()

    async def memory(self) -> Memory:
        """All that is remembered."""
        return await self._first.memory()
