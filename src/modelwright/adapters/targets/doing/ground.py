"""What a place has to offer so that steps can be done there: memory, instances, and what they are made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from modelwright.adapters.targets.kept import Ask, Memory
from modelwright.core.deploying.workloads import Desired, Workload

ONCE = "once"
"""Index of the instance that runs a release's command once."""


def host_name(workload: str, release: str = "", index: int | str = 0) -> str:
    """By which the edge knows an instance."""
    return f"{workload}-{release}-{index}" if release else workload


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An instance, as it is."""

    status: int | None = None
    """With which it has ended; None: it has not."""
    restarts: int = 0
    reason: str = ""
    """Why it was started again, where more than its status is known."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An instance that was made, whatever it does now."""

    workload: str
    release: str
    index: str
    digest: str = ""
    """Of the description that it was made by."""
    down: bool = False
    """It does not run now."""
    address: str = ""
    """Of the edge's way to it; without a port where that stands in its description."""


class Ground(Protocol):
    """The memory of an environment."""

    @property
    def ask(self) -> Ask: ...

    async def memory(self) -> Memory:
        """All that is remembered."""
        ...


class Instances(Protocol):
    """Those of one environment."""

    def name(self, workload: str, release: str = "", index: int | str = 0) -> str:
        """What one is called. Without a release: of a workload that lasts."""
        ...

    def address(self, workload: Workload, release: str = "", index: int | str = 0) -> str:
        """Where one that was made is asked what its gate wants to know."""
        ...

    async def run(
        self,
        workload: Workload,
        release: str = "",
        *,
        index: int | str = 0,
        digest: str = "",
        peers: Mapping[str, str] | None = None,
    ) -> None:
        """One that runs by just this description; another one of the name is gone.

        `digest`: that it is known by, if not by that of its description alone.
        """
        ...

    async def runs(self, workload: Workload, release: str = "", *, index: int | str = 0, digest: str = "") -> bool:
        """By just this description."""
        ...

    async def found(self, name: str) -> Found | None:
        """None: it is not there."""
        ...

    async def of(self, workload: str, release: str) -> list[str]:
        """Names of all that there are, stopped ones too."""
        ...

    async def standing(self) -> Sequence[Standing]:
        """All that were made."""
        ...

    async def remove(self, name: str, *, grace: float) -> None:
        """Asked to end, and after `grace` seconds ended; gone when this returns. Data stay."""
        ...

    async def said(self, name: str, lines: int = 20) -> str:
        """The last of what it has logged, whatever stands in it; empty when there is nothing."""
        ...


class Stock(Protocol):
    """What instances are made from, as far as it is no file."""

    async def is_there(self, image: str) -> bool: ...

    async def bring(self, image: str) -> None:
        """Raises StepFailed."""
        ...

    async def release(self, needed: Iterable[tuple[str, str]]) -> None:
        """Give up all others. `needed`: workloads with their images."""
        ...

    async def user(self, image: str) -> int:
        """Whom secrets of its instances belong to, by number."""
        ...

    async def is_full(self, volume: str, digest: str) -> bool:
        """Whether it is there, and holds just that."""
        ...

    async def empty(self, volume: str, *, epoch: int) -> None:
        """Gone, with what it was filled with, unless something has it still."""
        ...

    async def fill(self, volume: str, digest: str, *, epoch: int) -> None:
        """With the files of a tar; what it was filled with is known when all of them are there. Raises StepFailed."""
        ...


def missing(desired: Desired, images: frozenset[str], full: Mapping[str, str]) -> tuple[str, ...]:
    """What of a release is not there; `full`: by volume, what each was filled with."""
    lost = {f"the image {work.image} of {work.name}": None for work in desired.workloads if work.image not in images}
    mounts = [mount for work in desired.workloads for mount in work.mounts if mount.volume and mount.digest]
    for mount in mounts:
        if full.get(mount.volume) != mount.digest:
            lost[f"the content of the volume {mount.volume}"] = None
    return tuple(lost)
