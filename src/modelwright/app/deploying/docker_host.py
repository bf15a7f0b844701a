"""A Docker host as a place to deploy to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from modelwright.adapters.targets.docker.data import DockerData
from modelwright.adapters.targets.docker.names import Names
from modelwright.adapters.targets.docker.target import Prepared, docker_target
from modelwright.adapters.targets.kept import Adopt, KeptLeases
from modelwright.app.deploying.builder import VARIABLE, building
from modelwright.app.deploying.reach import Reached, Result, Site
from modelwright.app.settings.settings import process_environment
from modelwright.app.system import SystemClock
from modelwright.core.errors.deploying import KeeperLost
from modelwright.core.ports.deploying.data import Data
from modelwright.core.ports.deploying.targets import Contents, Target

_USUAL = "unix:///var/run/docker.sock"
"""Where docker's own command looks when nothing else is said."""


class _Host:
    def __init__(self, target: Target, environment: Prepared) -> None:
        self._target, self._environment = target, environment

    @property
    def target(self) -> Target:
        return self._target

    async def prepare(self, keeper: str) -> None:
        self._environment.keep_by(keeper)
        await self._environment.prepare()

    async def salt(self) -> str:
        try:
            return (await self._environment.memory()).salt if await self._environment.is_there() else ""
        except KeeperLost:  # whoever deploys brings one along
            return ""

    async def with_data(self, work: Callable[[Data], Result]) -> Result:
        engine = self._environment.engine
        api = await engine.api()
        return await engine.long(lambda unwanted: work(DockerData(api, self._environment.names, unwanted=unwanted)))

    async def adopt(self, salt: str) -> None:
        leases = KeptLeases(self._environment.ask)
        lease = await leases.take("a restore")
        try:
            await self._environment.ask(Adopt(epoch=lease.epoch, salt=salt), type(None))
        finally:
            await leases.leave(lease)


@asynccontextmanager
async def docker_host(site: Site, contents: Contents) -> AsyncIterator[Reached]:
    """Connected while it is used; images come from the engine that builds them here."""
    names = Names(site.project, site.environment)
    builder = building(site.target, process_environment()).get(VARIABLE) or _USUAL
    reaching = docker_target(site.target.engines, names, contents=contents, clock=SystemClock(), builder=builder)
    async with reaching as (target, environment):
        yield _Host(target, environment)
