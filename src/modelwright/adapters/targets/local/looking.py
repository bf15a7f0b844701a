"""What runs in one environment on this machine, and what is known of it; nothing is changed by a look."""

from __future__ import annotations

from collections.abc import Sequence

from modelwright.adapters.targets.doing.ground import ONCE, missing
from modelwright.adapters.targets.kept import History
from modelwright.adapters.targets.local.environment import VOLUMES, Environment
from modelwright.adapters.targets.local.instances import LocalInstances
from modelwright.adapters.targets.local.stock import LocalStock
from modelwright.adapters.targets.processes import Running
from modelwright.core.deploying.observed import Instance, Observed, Served, Stored


class LocalObserver:
    """Of one environment."""

    def __init__(self, environment: Environment, stock: LocalStock, instances: LocalInstances) -> None:
        self._environment = environment
        self._stock = stock
        self._instances = instances

    async def observe(self) -> Observed:
        images = self._stock.all()
        if not self._environment.is_there():
            return Observed(images=images)
        memory, running = await self._environment.memory(), await self._instances.all()
        there = {folder.name for folder in (self._environment.folder / VOLUMES).glob("[!.]*")}
        full = {name: memory.volumes.get(name, "") for name in sorted(there)}
        return Observed(
            instances=tuple(_instance(one) for one in running.values() if one.process.index != ONCE),
            traffic=memory.front.shares,
            current=memory.current,
            releases=tuple(
                Stored(name=name, desired=desired, missing=missing(desired, images, full))
                for name, desired in memory.releases.items()
            ),
            images=images,
            volumes=full,
            salt=memory.salt,
            disk=memory.disk,
        )

    async def history(self) -> Sequence[Served]:
        if not self._environment.is_there():
            return ()
        return await self._environment.ask(History(), tuple[Served, ...])


def _instance(one: Running) -> Instance:
    process = one.process
    return Instance(
        name=process.name,
        workload=process.workload,
        release=process.release,
        digest=process.digest,
        state="ready" if one.pid else "failed",
        restarts=one.restarts,
        address=one.address,
        peers=process.peers,
    )
