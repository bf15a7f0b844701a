"""The supervisor's own socket, at which control asks about the models' processes; files of others cannot reach it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from modelwright.app.supervise.fleet.talk import FleetTold, FleetWish, Loaded


class Models(Protocol):
    """What can be asked."""

    def models(self) -> list[Loaded]:
        """What there is, and whether it can be asked."""
        ...

    async def load(self, name: str) -> str:
        """What is in the way, empty when it is ready."""
        ...

    async def unload(self, name: str) -> str:
        """What is in the way."""
        ...


class FleetDoor:
    """Answers one wish per connection."""

    def __init__(
        self, path: Path, models: Models, *, follow: Callable[[str], None], in_use: Callable[[], Collection[str]]
    ) -> None:
        """`follow` is told of each alias of the registry, `name@alias`, that was moved; `in_use` gives digests."""
        self._follow = follow
        self._in_use = in_use
        self._path = path
        self._models = models

    async def run(self) -> None:
        """Until cancelled."""
        server = await asyncio.start_unix_server(self._answer, self._path)
        self._path.chmod(0o600)
        async with server:
            await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            try:
                wish = msgspec.json.decode(await reader.readline(), type=FleetWish)
            except (msgspec.MsgspecError, ValueError):
                told = FleetTold(problem="this is no wish")
            else:
                told = await self._done(wish)
            writer.write(msgspec.json.encode(told) + b"\n")
            await writer.drain()
        writer.close()

    async def _done(self, wish: FleetWish) -> FleetTold:
        problem = ""
        match wish.verb:
            case "load":
                problem = await self._models.load(wish.name)
            case "unload":
                problem = await self._models.unload(wish.name)
            case "follow":
                self._follow(wish.name)
            case "in_use":
                return FleetTold(digests=sorted(self._in_use()))
            case _:
                pass
        return FleetTold(models=self._models.models(), problem=problem)
