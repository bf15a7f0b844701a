"""What instances on a host are made from: images, and volumes that are filled with weights."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from threading import Event

from docker.errors import APIError, NotFound

from modelwright.adapters.targets.docker.engine import failed
from modelwright.adapters.targets.docker.environment import Environment
from modelwright.adapters.targets.docker.images import Images
from modelwright.adapters.targets.docker.users import Users
from modelwright.adapters.targets.kept import Filled
from modelwright.core.ports.deploying.targets import Contents

_ROOT = "/content"
_AHEAD = 8
"""Pieces that are read before they are taken."""


class DockerStock:
    """Images and volumes of one environment; weights come from what whoever deploys has with him."""

    def __init__(self, environment: Environment, images: Images, users: Users, *, contents: Contents) -> None:
        self._environment = environment
        self._engine = environment.engine
        self._contents = contents
        self.is_there, self.bring, self.release, self.user = images.is_there, images.bring, images.release, users.of

    async def is_full(self, volume: str, digest: str) -> bool:
        """Whether it is there, and holds just that."""
        api, names = await self._engine.api(), self._environment.names
        found = await self._engine.call(api.volumes, filters=names.filters)
        there = any(one["Name"] == names.volume(volume) for one in found["Volumes"] or ())
        return there and (await self._environment.memory()).volumes.get(volume) == digest

    async def empty(self, volume: str, *, epoch: int) -> None:
        """As Stock says. Raises APIError."""
        api, names = await self._engine.api(), self._environment.names
        try:
            await self._engine.call(api.remove_volume, names.volume(volume))
        except NotFound:
            pass
        except APIError as error:
            if error.status_code != 409:
                raise
            return
        await self._environment.ask(Filled(epoch=epoch, volume=volume, digest=""), type(None))

    async def fill(self, volume: str, digest: str, *, epoch: int) -> None:
        """With the files of a tar; what it was filled with is known when all of them are there. Raises StepFailed."""
        names, api = self._environment.names, await self._engine.api()
        await self._environment.volume(volume)
        await self._environment.ask(Filled(epoch=epoch, volume=volume, digest=""), type(None))
        pieces = _Bridge(self._contents.read(digest))
        try:
            keeper = await self._engine.call(api.inspect_container, names.keeper)
            made = await self._engine.call(
                api.create_container_from_config,
                {
                    "Image": keeper["Image"],
                    "Entrypoint": ["true"],
                    "Labels": names.labels,
                    "HostConfig": {"Mounts": [{"Type": "volume", "Source": names.volume(volume), "Target": _ROOT}]},
                },
            )
            try:
                async with pieces:
                    await self._engine.long(lambda gone: api.put_archive(made["Id"], _ROOT, pieces.until(gone)))
            finally:
                await self._engine.call(api.remove_container, made["Id"], force=True)
        except APIError as error:
            raise failed(f"the volume {volume} cannot be filled", error) from error
        await self._environment.ask(Filled(epoch=epoch, volume=volume, digest=digest), type(None))


class _Bridge:
    """Content for a thread: it is read here, a little ahead, and ends there with whatever went wrong here."""

    def __init__(self, content: AsyncIterator[bytes]) -> None:
        self._content = content
        self._ahead = queue.Queue[bytes | BaseException | None](_AHEAD)
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> None:
        self._reading = asyncio.create_task(self._read())

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    def until(self, unwanted: Event) -> Iterator[bytes]:
        """In the thread."""
        while not unwanted.is_set():
            try:
                piece = self._ahead.get(timeout=0.5)
            except queue.Empty:
                continue
            if piece is None:
                return
            if isinstance(piece, BaseException):
                raise piece
            yield piece
        raise APIError("cut off")

    async def _read(self) -> None:
        try:
            async for piece in self._content:
                await self._put(piece)
            await self._put(None)
        except BaseException as error:
            await self._put(error)
            raise

    async def _put(self, piece: bytes | BaseException | None) -> None:
        while True:
            try:
                return self._ahead.put_nowait(piece)
            except queue.Full:
                await asyncio.sleep(0.02)
