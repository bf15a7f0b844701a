"""Docker hosts as a target, one or several: put together from their parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

from modelwright.adapters.targets.docker.doing.containers import Containers
from modelwright.adapters.targets.docker.doing.hands import DockerHands
from modelwright.adapters.targets.docker.doing.stock import DockerStock
from modelwright.adapters.targets.docker.engine import Engine
from modelwright.adapters.targets.docker.environment import Environment
from modelwright.adapters.targets.docker.images import Images
from modelwright.adapters.targets.docker.looking import DockerObserver
from modelwright.adapters.targets.docker.names import Names
from modelwright.adapters.targets.docker.several.environment import SeveralEnvironments
from modelwright.adapters.targets.docker.several.hands import SeveralHands
from modelwright.adapters.targets.docker.several.looking import SeveralObserver
from modelwright.adapters.targets.docker.several.spread import SpreadInstances
from modelwright.adapters.targets.docker.users import Users
from modelwright.adapters.targets.doing.ground import Instances
from modelwright.adapters.targets.kept import Ask, KeptJournal, KeptLeases, Memory
from modelwright.adapters.targets.watching import KeptWatcher
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.deploying.targets import Contents, Hands, Observer, Target


class Prepared(Protocol):
    """What an environment has before anything runs in it, on one host or on several."""

    @property
    def names(self) -> Names: ...

    @property
    def ask(self) -> Ask: ...

    @property
    def engine(self) -> Engine:
        """Of the host that remembers, and has all data."""
        ...

    def keep_by(self, image: str) -> None:
        """Keepers run from this image from now on."""
        ...

    async def prepare(self) -> None:
        """Make what is not there. Raises StepFailed."""
        ...

    async def is_there(self) -> bool:
        """Whether anything was ever done here."""
        ...

    async def memory(self) -> Memory:
        """All that is remembered."""
        ...


class _Means:
    """What every host's parts are made with."""

    def __init__(self, *, leases: KeptLeases, users: Users, contents: Contents, clock: Clock) -> None:
        self.leases, self.users, self.contents, self.clock = leases, users, contents, clock

    def hands(
        self,
        environment: Environment,
        images: Images,
        instances: Instances,
        *,
        host: str = "",
        others: Instances | None = None,
    ) -> Hands:
        return DockerHands(
            environment,
            leases=self.leases,
            stock=DockerStock(environment, images, self.users, contents=self.contents),
            instances=instances,
            contents=self.contents,
            clock=self.clock,
            host=host,
            others=others,
        )


@asynccontextmanager
async def docker_target(
    hosts: str | Sequence[str], names: Names, *, contents: Contents, clock: Clock, keeper: str = "", builder: str = ""
) -> AsyncIterator[tuple[Target, Prepared]]:
    """Connected while it is used. `keeper`: the image of keepers; `builder`: the engine that has the packaged images.

    Of several hosts the first one has the memory, the edge and what lasts, and whatever image the others have. Before
    anything is changed, the environment is prepared.
    """
    urls = [hosts] if isinstance(hosts, str) else [*hosts]
    names = Names(names.project, names.environment, spread=len(urls) > 1)
    engines = [Engine(url) for url in urls]
    building = next((one for one in engines if one.host == builder), Engine(builder) if builder else None)
    sources = [one for one in dict.fromkeys((engines[0], building)) if one is not None]
    images = [Images(one, names, sources=[source for source in sources if source is not one]) for one in engines]
    environments = [
        Environment(engine, names, images=own, keeper=keeper, first=engine is engines[0])
        for engine, own in zip(engines, images, strict=True)
    ]
    first = environments[0]
    leases = KeptLeases(first.ask)
    means = _Means(leases=leases, users=Users(engines[0]), contents=contents, clock=clock)
    environment, observer, hands = _joined(dict(zip(host_names(urls), environments, strict=True)), images, means)
    target = Target(
        observer=observer,
        hands=hands,
        journal=KeptJournal(first.ask),
        leases=leases,
        watcher=KeptWatcher(first.ask),
    )
    try:
        yield target, environment
    finally:
        for one in environments:
            await one.ask.close()
        for one in dict.fromkeys((*engines, building)):
            if one is not None:
                await one.close()


def host_names(urls: Sequence[str]) -> list[str]:
    """As people know them; where that is not enough to tell them apart, with all of it."""
    short = [parts.netloc.rpartition("@")[2] or parts.path for parts in map(urlsplit, urls)]
    return short if len({*short}) == len(short) else [*urls]


def _joined(
    environments: dict[str, Environment], images: Sequence[Images], means: _Means
) -> tuple[Prepared, Observer, Hands]:
    """Those of one host as they are, those of several together."""
    first = next(iter(environments.values()))
    observers = [DockerObserver(one, own) for one, own in zip(environments.values(), images, strict=True)]
    containers = [Containers(one, own, means.users) for one, own in zip(environments.values(), images, strict=True)]
    if len(environments) == 1:
        return first, observers[0], means.hands(first, images[0], containers[0])

    async def known() -> Collection[str]:
        return (await first.memory()).releases

    each = zip(environments.items(), images, containers, strict=True)
    spread = SpreadInstances(containers)
    return (
        SeveralEnvironments(environments),
        SeveralObserver(dict(zip(environments, observers, strict=True)), environments),
        SeveralHands(
            {
                name: means.hands(one, own, instances, host=name, others=spread if one is first else None)
                for (name, one), own, instances in each
            },
            whole=means.hands(first, images[0], spread),
            known=known,
        ),
    )
