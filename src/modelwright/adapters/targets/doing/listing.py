"""Tells monitors which instances of releases there are, as soon as there are others."""

from __future__ import annotations

from modelwright.adapters.targets.doing.ground import ONCE, Ground, Instances, host_name
from modelwright.adapters.targets.kept import KeptLeases, Listed, Listing


class Lists:
    """Of one environment, under the lease that `leases` has got."""

    def __init__(self, ground: Ground, instances: Instances, leases: KeptLeases) -> None:
        self._ground = ground
        self._instances = instances
        self._leases = leases

    async def write(self, *, but: tuple[str, str] = ("", "")) -> None:
        """All that were made, whatever they do now: one that has died is missed. `but`: a workload in a release that
        is about to go.
        """
        found = [
            Listed(host=host_name(one.workload, one.release, one.index), workload=one.workload, release=one.release)
            for one in await self._instances.standing()
            if one.release and one.index != ONCE and (one.workload, one.release) != but
        ]
        ordered = tuple(sorted(found, key=lambda one: one.host))
        await self._ground.ask(Listing(epoch=self._leases.epoch, instances=ordered), type(None))
