"""What the edge of an environment is told: its routes, what runs behind them, and who has which share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from modelwright.adapters.targets.doing.ground import ONCE, Ground, Instances, Standing, host_name
from modelwright.adapters.targets.kept import Direct, KeptLeases, Memory
from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Desired, Route, digest_of

Shares = Mapping[str, Mapping[str, int]]


class Fronts:
    """Of one environment, under the lease that `leases` has got."""

    def __init__(self, ground: Ground, instances: Instances, leases: KeptLeases) -> None:
        self._ground = ground
        self._instances = instances
        self._leases = leases

    async def direct(self, routes: Sequence[Route], shares: Shares, trusted: Sequence[str]) -> None:
        """So from now on. Raises StepFailed when the edge does not take it."""
        memory = await self._ground.memory()
        await self._tell(await self._made(memory, routes, shares, trusted=trusted))

    async def stands(self, routes: Sequence[Route], shares: Shares, trusted: Sequence[str]) -> bool:
        """Whether it is so."""
        memory = await self._ground.memory()
        return memory.front == await self._made(memory, routes, shares, trusted=trusted)

    async def afresh(self, workload: str, release: str) -> None:
        """As it is, where instances that it knows were started again."""
        memory = await self._ground.memory()
        front = memory.front
        if any((one.workload, one.release) == (workload, release) for one in front.servers):
            await self._tell(await self._made(memory, front.routes, front.shares, trusted=front.trusted))

    async def without(self, workload: str, release: str) -> None:
        """As it is, but for the instances of a workload in a release."""
        memory = await self._ground.memory()
        left = [one for one in memory.front.servers if (one.workload, one.release) != (workload, release)]
        if len(left) < len(memory.front.servers):
            await self._tell(msgspec.structs.replace(memory.front, servers=tuple(left)))

    async def serves(self, workload: str, release: str) -> bool:
        """Whether a route has its traffic, or some of it, from there."""
        front = (await self._ground.memory()).front
        mine = [route.name for route in front.routes if route.workload == workload]
        return any(front.shares.get(name, {}).get(release, 0) for name in mine)

    async def again(self, desired: Desired) -> None:
        """As it is, for an edge that is about to be started as `desired` has it: its files are there before it is."""
        memory = await self._ground.memory()
        routes, standing = memory.front.routes, await self._instances.standing()
        servers = _servers(memory, standing, {route.workload for route in routes})
        told = tuple(_shown(route, desired, hosts=True) for route in routes)
        publish = tuple(address for work in desired.workloads if work.kind == "edge" for address in work.publish)
        front = msgspec.structs.replace(memory.front, kind=desired.edge, routes=told, servers=tuple(servers))
        await self._tell(msgspec.structs.replace(front, publish=publish))

    async def lacks(self, desired: Desired) -> bool:
        """Whether the edge that is there does not have a certificate that it would be told of by `again`."""
        memory = await self._ground.memory()
        there = _edge(memory, await self._instances.standing())
        hosts = {route.host for route in memory.front.routes}
        wanted = {route.tls.certificate for route in desired.routes if route.tls and route.host in hosts}
        return there is not None and not wanted <= {"", *_paths(there)}

    async def _made(self, memory: Memory, routes: Sequence[Route], shares: Shares, *, trusted: Sequence[str]) -> Front:
        standing = await self._instances.standing()
        edge = _edge(memory, standing)
        return Front(
            kind=memory.front.kind,
            routes=tuple(_shown(route, edge) if edge else route for route in routes),
            servers=tuple(_servers(memory, standing, {route.workload for route in routes})),
            shares={name: dict(weights) for name, weights in shares.items()},
            trusted=tuple(trusted),
            publish=memory.front.publish,
        )

    async def _tell(self, front: Front) -> None:
        await self._ground.ask(Direct(epoch=self._leases.epoch, front=front), type(None))


def _servers(memory: Memory, standing: Sequence[Standing], workloads: set[str]) -> list[Server]:
    """Whatever runs behind a route, and what did until now: it has streams."""
    earlier = {one.name: one.address for one in memory.front.servers if one.release}
    ports = {work.name: work.port for one in reversed(memory.releases.values()) for work in one.workloads}
    servers = list[Server]()
    for one in standing:
        name = host_name(one.workload, one.release, one.index)
        if one.index == ONCE or (one.workload not in workloads and name not in earlier):
            continue
        desired = memory.releases.get(one.release)
        port = next((work.port for work in desired.workloads if work.name == one.workload), 0) if desired else 0
        port = port or ports.get(one.workload, 0)
        address = one.address or (f"{name}:{port}" if port else earlier[name])
        servers.append(Server(name=name, workload=one.workload, release=one.release, address=address, down=one.down))
    return sorted(servers, key=lambda one: one.name)


def _edge(memory: Memory, standing: Sequence[Standing]) -> Desired | None:
    """What describes the edge that is there."""
    digests = {one.digest for one in standing if not one.release}
    for desired in memory.releases.values():
        if any(work.kind == "edge" and digest_of(work) in digests for work in desired.workloads):
            return desired
    return None


def _paths(desired: Desired) -> set[str]:
    """Where its edge finds something."""
    return {mount.path for work in desired.workloads if work.kind == "edge" for mount in work.mounts}


def _shown(route: Route, desired: Desired, *, hosts: bool = False) -> Route:
    """By what the edge of `desired` has: a route's own certificate, or else that of its host, or else none.

    `hosts`: its hosts prove who they are as it says, whatever the routes of another release say.
    """
    own = route.tls is None or route.tls.certificate in {"", *_paths(desired)}
    same = {each.host: each.tls for each in desired.routes}
    if own and not (hosts and route.host in same):
        return route
    return msgspec.structs.replace(route, tls=same.get(route.host))
