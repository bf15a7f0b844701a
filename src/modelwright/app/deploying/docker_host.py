"""A Docker host as a place to deploy to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from modelwright.adapters.targets.docker.environment import Environment
from modelwright.adapters.targets.docker.names import Names
from modelwright.adapters.targets.docker.target import docker_target
from modelwright.app.deploying.builder import VARIABLE, building
from modelwright.app.deploying.reach import Reached, Site
from modelwright.app.settings.settings import process_environment
from modelwright.app.system import SystemClock
from modelwright.core.ports.deploying.targets import Contents, Target

_USUAL = "unix:///var/run/docker.sock"
"""Where docker's own command looks when nothing else is said."""


class _Host:
    def __init__(self, target: Target, environment: Environment) -> None:
        self._target, self._environment = target, environment

    @property
    def target(self) -> Target:
        return self._target

    async def prepare(self, keeper: str) -> None:
        self._environment.keep_by(keeper)
        await self._environment.prepare()

    async def salt(self) -> str:
        return (await self._environment.memory()).salt if await self._environment.is_there() else ""


@asynccontextmanager
async def docker_host(site: Site, contents: Contents) -> AsyncIterator[Reached]:
    """Connected while it is used; images come from the engine that builds them here."""
    names = Names(site.project, site.environment)
    builder = building(site.target, process_environment()).get(VARIABLE) or _USUAL
    reaching = docker_target(site.target.host, names, contents=contents, clock=SystemClock(), builder=builder)
    async with reaching as (target, environment):
        yield _Host(target, environment)
