"""A target in memory and a folder: steps are done as everywhere, by instances that are nothing but names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from modelwright.adapters.targets.doing.ground import Found, Standing, missing
from modelwright.adapters.targets.doing.hands import StepHands
from modelwright.adapters.targets.folder.target import AskFolder
from modelwright.adapters.targets.kept import History, KeptJournal, KeptLeases, Look, Mask, Memory, Probe, Streams
from modelwright.core.deploying.observed import Instance, Observed, Served, Stored
from modelwright.core.deploying.workloads import Workload, digest_of
from modelwright.core.errors.deploying import StepFailed
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.deploying.targets import Contents, Target

Answer = TypeVar("Answer")
IMAGE = "memory:1"


class MemoryAsk:
    """A folder's memory, and a keeper's answers beside it: everything is well, and no stream is open."""

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        self._folder = AskFolder(folder, clock=clock)

    async def __call__(self, question: Any, answer: type[Answer]) -> Answer:
        match question:
            case Probe():
                return msgspec.convert("", answer)
            case Streams():
                return msgspec.convert(0, answer)
            case Mask(text=text):
                return msgspec.convert(text, answer)
            case _:
                return await self._folder(question, answer)


class MemoryGround:
    """Its memory."""

    def __init__(self, ask: MemoryAsk) -> None:
        self.ask = ask

    async def memory(self) -> Memory:
        return await self.ask(Look(), Memory)


class MemoryInstances:
    """Names, each with the description that it was made by."""

    def __init__(self) -> None:
        self.made: dict[str, Instance] = {}

    def name(self, workload: str, release: str = "", index: int | str = 0) -> str:
        return f"{workload}.{release}.{index}" if release else workload

    def address(self, workload: Workload, release: str = "", index: int | str = 0) -> str:
        return f"{self.name(workload.name, release, index)}:{workload.port}"

    async def run(
        self,
        workload: Workload,
        release: str = "",
        *,
        index: int | str = 0,
        digest: str = "",
        peers: Mapping[str, str] | None = None,
    ) -> None:
        name = self.name(workload.name, release, index)
        self.made[name] = Instance(
            name=name,
            workload=workload.name,
            release=release,
            digest=digest or digest_of(workload),
            state="ready",
            address=self.address(workload, release, index),
            peers=dict(peers or {}),
        )

    async def runs(self, workload: Workload, release: str = "", *, index: int | str = 0, digest: str = "") -> bool:
        found = self.made.get(self.name(workload.name, release, index))
        return found is not None and found.digest == (digest or digest_of(workload))

    async def found(self, name: str) -> Found | None:
        return Found(status=0 if name.endswith(".once") else None) if name in self.made else None

    async def of(self, workload: str, release: str) -> list[str]:
        return sorted(one.name for one in self.made.values() if (one.workload, one.release) == (workload, release))

    async def standing(self) -> Sequence[Standing]:
        return [
            Standing(workload=one.workload, release=one.release, index=one.name.rpartition(".")[2], digest=one.digest)
            for one in self.made.values()
        ]

    async def remove(self, name: str, *, grace: float) -> None:
        assert grace >= 0
        self.made.pop(name, None)

    async def said(self, name: str, lines: int = 20) -> str:
        return f"{name} has said nothing in {lines} lines"


class MemoryStock:
    """Images are names; volumes hold what they were filled with."""

    def __init__(self) -> None:
        self.images = {IMAGE}
        self.volumes: dict[str, str] = {}

    async def is_there(self, image: str) -> bool:
        return image in self.images

    async def bring(self, image: str) -> None:
        if image.startswith("none"):
            raise StepFailed(f"nobody has {image}", hint="take another one")
        self.images.add(image)

    async def release(self, needed: Iterable[tuple[str, str]]) -> None:
        self.images &= {image for _, image in needed}

    async def user(self, image: str) -> int:
        assert image in self.images
        return 0

    async def is_full(self, volume: str, digest: str) -> bool:
        return self.volumes.get(volume) == digest

    async def empty(self, volume: str, *, epoch: int) -> None:
        assert epoch
        self.volumes.pop(volume, None)

    async def fill(self, volume: str, digest: str, *, epoch: int) -> None:
        assert epoch
        self.volumes[volume] = digest


class MemoryObserver:
    """What of it there is to see."""

    def __init__(self, ground: MemoryGround, stock: MemoryStock, instances: MemoryInstances) -> None:
        self._ground, self._stock, self._instances = ground, stock, instances

    async def observe(self) -> Observed:
        memory, images = await self._ground.memory(), frozenset(self._stock.images)
        return Observed(
            instances=tuple(one for name, one in sorted(self._instances.made.items()) if not name.endswith(".once")),
            traffic=memory.front.shares,
            current=memory.current,
            releases=tuple(
                Stored(name=name, desired=each, missing=missing(each, images, self._stock.volumes))
                for name, each in memory.releases.items()
            ),
            images=images,
            volumes=self._stock.volumes,
            salt=memory.salt,
        )

    async def history(self) -> Sequence[Served]:
        return await self._ground.ask(History(), tuple[Served, ...])


def memory_target(folder: Path, *, contents: Contents, clock: Clock) -> Target:
    """Its instances are gone with it, its memory is not."""
    ask = MemoryAsk(folder, clock=clock)
    ground, stock, instances, leases = MemoryGround(ask), MemoryStock(), MemoryInstances(), KeptLeases(ask)
    hands = StepHands(ground, leases=leases, stock=stock, instances=instances, contents=contents, clock=clock)
    observer = MemoryObserver(ground, stock, instances)
    return Target(observer=observer, hands=hands, journal=KeptJournal(ask), leases=leases)
