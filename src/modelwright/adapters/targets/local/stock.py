"""What processes are made from: programs of this machine, and folders that are filled once by digest."""

from __future__ import annotations

import asyncio
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from modelwright.adapters.targets.kept import Filled
from modelwright.adapters.targets.local.environment import Environment, program
from modelwright.adapters.targets.local.launching import clear, handed
from modelwright.adapters.targets.processes import Processes, Running
from modelwright.core.deploying.places import PROCESS
from modelwright.core.errors.deploying import StepFailed
from modelwright.core.ports.deploying.targets import Contents

EDGES = ("haproxy", "nginx")


class LocalStock:
    """Of one environment; content comes from what whoever deploys has with him."""

    def __init__(self, environment: Environment, contents: Contents, *, version: str, env: Mapping[str, str]) -> None:
        """`version`: of the Modelwright that runs here."""
        self._environment = environment
        self._contents = contents
        self._own = f"modelwright:{version}"
        self._env = handed(env)

    def all(self) -> frozenset[str]:
        """By the names that descriptions have for them."""
        found = (name for name in EDGES if program(name, self._env))
        return frozenset((PROCESS, self._own, *found))

    async def is_there(self, image: str) -> bool:
        return image in self.all()

    async def bring(self, image: str) -> None:
        """Nothing is installed for anybody. Raises StepFailed."""
        if image in self.all():
            return
        hint = f"install {image}, such as by `apt-get install {image}`"
        if image not in EDGES:
            hint = f"install that version: pip install {image.replace(':', '==')}"
        raise StepFailed(f"{image} is not on this machine", hint=hint)

    async def release(self, needed: Iterable[tuple[str, str]]) -> None:
        """Of programs none is ours."""

    async def user(self, image: str) -> int:
        return os.geteuid()

    async def is_full(self, volume: str, digest: str) -> bool:
        return (
            self._environment.volume(volume).is_dir()
            and (await self._environment.memory()).volumes.get(volume) == digest
        )

    async def empty(self, volume: str, *, epoch: int) -> None:
        """As Stock says."""
        place = self._environment.volume(volume)
        for one in await self._environment.ask(Processes(), tuple[Running, ...]):
            if str(place) in {one.process.folder, *one.process.files.values()}:
                return
        await asyncio.to_thread(clear, place)
        await self._environment.ask(Filled(epoch=epoch, volume=volume, digest=""), type(None))

    async def fill(self, volume: str, digest: str, *, epoch: int) -> None:
        """What was there goes when all of the new is."""
        place = self._environment.volume(volume)
        with tempfile.TemporaryFile(dir=place.parent) as file:
            async for piece in self._contents.read(digest):
                await asyncio.to_thread(file.write, piece)
            file.seek(0)
            part = Path(tempfile.mkdtemp(prefix=".part-", dir=place.parent))
            try:
                await asyncio.to_thread(_unpack, file, part)
                await asyncio.to_thread(clear, place)
                await asyncio.to_thread(part.rename, place)
            except (OSError, tarfile.TarError) as error:
                hint = "see that the disk has room, and that no link leads out of the folder"
                raise StepFailed(f"the folder {volume} cannot be filled: {error}", hint=hint) from error
            finally:
                shutil.rmtree(part, ignore_errors=True)
        await self._environment.ask(Filled(epoch=epoch, volume=volume, digest=digest), type(None))


def _unpack(file: object, folder: Path) -> None:
    """Nobody writes there afterwards: a release stays what it is."""
    with tarfile.open(fileobj=file) as archive:  # type: ignore[arg-type]
        archive.extractall(folder, filter="data")
    for path, folders, names in os.walk(folder, topdown=False):
        for name in names:
            found = Path(path, name)
            if not found.is_symlink():
                found.chmod(0o555 if found.stat().st_mode & 0o100 else 0o444)
        for name in folders:
            if not Path(path, name).is_symlink():
                Path(path, name).chmod(0o555)
