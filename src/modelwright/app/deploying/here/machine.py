"""Connects an environment of plain processes, which lies in a folder of the user's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from modelwright.adapters.targets.local.environment import Environment
from modelwright.adapters.targets.local.target import local_target
from modelwright.app.deploying.reach import Reached, Site
from modelwright.app.settings.settings import process_environment
from modelwright.app.supervise.devices.runtime import runtime_folder
from modelwright.app.system import SystemClock
from modelwright.core.ports.deploying.targets import Contents, Target


class _Here:
    def __init__(self, target: Target, environment: Environment) -> None:
        self._target, self._environment = target, environment

    @property
    def target(self) -> Target:
        return self._target

    async def prepare(self, keeper: str) -> None:
        await self._environment.prepare()

    async def salt(self) -> str:
        return (await self._environment.memory()).salt if self._environment.is_there() else ""


@asynccontextmanager
async def local_host(site: Site, contents: Contents) -> AsyncIterator[Reached]:
    """The same for all checkouts of a project, by whichever user it is."""
    env = process_environment()
    folder = environment_folder(site.project, site.environment)
    runtime = runtime_folder(folder, ("keeper",))  # the same, from wherever one is logged in
    yield _Here(
        *local_target(folder, runtime, contents=contents, clock=SystemClock(), version=version("modelwright"), env=env)
    )


def environment_folder(project: str, environment: str) -> Path:
    """Where everything of it lies."""
    env = process_environment()
    state = Path(env.get("XDG_STATE_HOME") or Path(env.get("HOME") or Path.home()) / ".local" / "state")
    return state.absolute() / "modelwright" / f"{project}.{environment}"
