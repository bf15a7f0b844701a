"""What the edge of an environment is told: its routes, what runs behind them, and who has which share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from modelwright.adapters.targets.doing.ground import ONCE, Ground, Instances, host_name
from modelwright.adapters.targets.kept import Direct, KeptLeases, Memory
from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Desired, Route

Shares = Mapping[str, Mapping[str, int]]


class Fronts:
    """Of one environment, under the lease that `leases` has got."""

    def __init__(self, ground: Ground, instances: Instances, leases: KeptLeases) -> None:
        self._ground = ground
        self._instances = instances
        self._leases = leases

    async def direct(self, routes: Sequence[Route], shares: Shares) -> None:
        """So from now on. Raises StepFailed when the edge does not take it."""
        memory = await self._ground.memory()
        await self._tell(await self._made(memory, routes, shares))

    async def stands(self, routes: Sequence[Route], shares: Shares) -> bool:
        """Whether it is so."""
        memory = await self._ground.memory()
        return memory.front == await self._made(memory, routes, shares)

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
        there = {mount.path for work in desired.workloads if work.kind == "edge" for mount in work.mounts}
        routes = tuple(
            msgspec.structs.replace(one, tls=None) if one.tls and one.tls.certificate not in {"", *there} else one
            for one in memory.front.routes
        )
        await self._tell(msgspec.structs.replace(memory.front, kind=desired.edge, routes=routes))

    async def _made(self, memory: Memory, routes: Sequence[Route], shares: Shares) -> Front:
        newest = next(iter(memory.releases.values()), None)
        return Front(
            kind=memory.front.kind,
            routes=tuple(routes),
            servers=tuple(await self._servers(memory, {route.workload for route in routes})),
            shares={name: dict(weights) for name, weights in shares.items()},
            trusted=newest.trusted if newest else (),
        )

    async def _servers(self, memory: Memory, workloads: set[str]) -> list[Server]:
        """All that were made, whatever they do now."""
        ports = {work.name: work.port for one in reversed(memory.releases.values()) for work in one.workloads}
        servers = list[Server]()
        for one in await self._instances.standing():
            workload, release = one.workload, one.release
            if workload not in workloads or one.index == ONCE:
                continue
            desired = memory.releases.get(release)
            port = next((work.port for work in desired.workloads if work.name == workload), 0) if desired else 0
            name = host_name(workload, release, one.index)
            address = one.address or f"{name}:{port or ports[workload]}"
            servers.append(Server(name=name, workload=workload, release=release, address=address))
        return sorted(servers, key=lambda one: one.name)

    async def _tell(self, front: Front) -> None:
        await self._ground.ask(Direct(epoch=self._leases.epoch, front=front), type(None))
