"""A Docker host as a target: put together from its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from modelwright.adapters.targets.docker.doing.containers import Containers
from modelwright.adapters.targets.docker.doing.hands import DockerHands
from modelwright.adapters.targets.docker.doing.stock import DockerStock
from modelwright.adapters.targets.docker.engine import Engine
from modelwright.adapters.targets.docker.environment import Environment
from modelwright.adapters.targets.docker.images import Images
from modelwright.adapters.targets.docker.looking import DockerObserver
from modelwright.adapters.targets.docker.names import Names
from modelwright.adapters.targets.docker.users import Users
from modelwright.adapters.targets.kept import KeptJournal, KeptLeases
from modelwright.adapters.targets.watching import KeptWatcher
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.deploying.targets import Contents, Target


@asynccontextmanager
async def docker_target(
    host: str, names: Names, *, contents: Contents, clock: Clock, keeper: str = "", builder: str = ""
) -> AsyncIterator[tuple[Target, Environment]]:
    """Connected while it is used. `keeper`: the image of keepers; `builder`: the engine that has the packaged images.

    Before anything is changed, the environment is prepared.
    """
    engine = Engine(host)
    building = Engine(builder) if builder and builder != host else None
    images = Images(engine, names, builder=building)
    environment = Environment(engine, names, images=images, keeper=keeper)
    users, leases = Users(engine), KeptLeases(environment.ask)
    hands = DockerHands(
        environment,
        leases=leases,
        stock=DockerStock(environment, images, users, contents=contents),
        instances=Containers(environment, images, users),
        contents=contents,
        clock=clock,
    )
    target = Target(
        observer=DockerObserver(environment, images),
        hands=hands,
        journal=KeptJournal(environment.ask),
        leases=leases,
        watcher=KeptWatcher(environment.ask),
    )
    try:
        yield target, environment
    finally:
        await environment.ask.close()
        for one in (engine, building):
            if one is not None:
                await one.close()
