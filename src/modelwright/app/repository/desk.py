"""The admin's verbs on loaded models: control asks the supervisor, whose processes they are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import msgspec

from modelwright.app.supervise.fleet.talk import FLEET, WITHIN, FleetTold, FleetWish, Loaded
from modelwright.core.errors.calls import ModelUnavailable, UnknownEndpoint


class RepositoryDesk:
    """Raises UnknownEndpoint for a model that the manifest lacks, ModelUnavailable for one that cannot be loaded."""

    def __init__(self, runtime: Path) -> None:
        self._socket = runtime / FLEET

    async def index(self) -> list[Loaded]:
        """Every version of every model, and whether it can be asked."""
        return (await self._asked(FleetWish(verb="models"))).models

    async def load(self, name: str) -> list[Loaded]:
        """Start a model that was unloaded; when this is answered, the gateways send calls to it."""
        return await self._done(FleetWish(verb="load", name=name))

    async def unload(self, name: str) -> list[Loaded]:
        """Send a model no more calls; it ends after its last one, and its memory is free."""
        return await self._done(FleetWish(verb="unload", name=name))

    async def follow(self, name: str, alias: str) -> None:
        """An alias was moved: models whose source it is change to what it means, once that is loaded and tried."""
        with suppress(ModelUnavailable):  # a supervisor that starts or stops looks it up by itself
            await self._asked(FleetWish(verb="follow", name=f"{name}@{alias}"))

    async def in_use(self) -> list[str]:
        """Digests of all that is loaded here, being brought here or loaded, or leaving; none when nobody can tell."""
        with suppress(ModelUnavailable):
            return (await self._asked(FleetWish(verb="in_use"))).digests
        return []

    async def _done(self, wish: FleetWish) -> list[Loaded]:
        told = await self._asked(wish)
        if not told.problem:
            return told.models
        if told.problem.startswith("there is no model"):
            raise UnknownEndpoint(told.problem, hint="name one of the manifest, or its group")
        raise ModelUnavailable(f"model {wish.name} could not be loaded: {told.problem}", hint="see its log")

    async def _asked(self, wish: FleetWish) -> FleetTold:
        try:
            async with asyncio.timeout(WITHIN):
                reader, writer = await asyncio.open_unix_connection(self._socket, limit=1 << 24)
                try:
                    writer.write(msgspec.json.encode(wish) + b"\n")
                    return msgspec.json.decode(await reader.readline(), type=FleetTold)
                finally:
                    writer.close()
        except (OSError, TimeoutError, msgspec.MsgspecError) as error:
            raise ModelUnavailable("the supervisor does not answer", hint="see modelwright status") from error
