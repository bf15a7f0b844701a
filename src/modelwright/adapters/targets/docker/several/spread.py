"""Instances over several hosts: what lasts is on the first one, the others are looked for on all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from modelwright.adapters.targets.doing.ground import Found, Instances, Standing
from modelwright.core.deploying.workloads import Workload


class SpreadInstances:
    """Those of one environment."""

    def __init__(self, hosts: Sequence[Instances]) -> None:
        """The first one is where services and the edge are."""
        self._hosts = hosts
        self._first = hosts[0]

    def name(self, workload: str, release: str = "", index: int | str = 0) -> str:
        return self._first.name(workload, release, index)

    def address(self, workload: Workload, release: str = "", index: int | str = 0) -> str:
        return self._first.address(workload, release, index)

    async def run(
        self,
        workload: Workload,
        release: str = "",
        *,
        index: int | str = 0,
        digest: str = "",
        peers: Mapping[str, str] | None = None,
    ) -> None:
        """On the first one."""
        await self._first.run(workload, release, index=index, digest=digest, peers=peers)

    async def runs(self, workload: Workload, release: str = "", *, index: int | str = 0, digest: str = "") -> bool:
        """On the first one."""
        return await self._first.runs(workload, release, index=index, digest=digest)

    async def found(self, name: str) -> Found | None:
        seen = await asyncio.gather(*(one.found(name) for one in self._hosts))
        return next((one for one in seen if one is not None), None)

    async def of(self, workload: str, release: str) -> list[str]:
        seen = await asyncio.gather(*(one.of(workload, release) for one in self._hosts))
        return sorted({name for names in seen for name in names})

    async def standing(self) -> Sequence[Standing]:
        """One that stands twice, as after a host was away, is one: it has one name."""
        seen = await asyncio.gather(*(one.standing() for one in self._hosts))
        return [*{(one.workload, one.release, one.index): one for each in seen for one in each}.values()]

    async def remove(self, name: str, *, grace: float) -> None:
        await asyncio.gather(*(one.remove(name, grace=grace) for one in self._hosts))

    async def said(self, name: str, lines: int = 20) -> str:
        seen = await asyncio.gather(*(one.said(name, lines) for one in self._hosts))
        return next(filter(None, seen), "")
