"""Sees where aliases of models lead, whoever has moved them, and has the supervisor follow those that were moved."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError

from modelwright.app.models.desk import KIND
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.registry import RegistryStore
from modelwright.registry.registry import Registry

LOOK = 2.0
"""Seconds between two looks; one that finds nothing new is one small question."""

log = logging.getLogger("modelwright.control")


class AliasWatch:
    """Of one control."""

    def __init__(
        self,
        store: RegistryStore,
        *,
        changes: Callable[[], Awaitable[object]],
        follow: Callable[[str, str], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """`changes` gives another value whenever the registry has changed; `follow` is told of (name, alias)."""
        self._registry = Registry(KIND, store=store, clock=clock)
        self._changes = changes
        self._follow = follow
        self._seen: object = None
        self._known: dict[tuple[str, str], str] = {}
        """What each alias meant at the last look; none at first, so that nothing is missed that was moved before."""
        self._turn = asyncio.Lock()
        self._enough = asyncio.Event()

    async def run(self) -> None:
        """Until `finish`."""
        while not self._enough.is_set():
            await self.look()
            try:
                await asyncio.wait_for(self._enough.wait(), LOOK)
            except TimeoutError:
                continue

    def finish(self) -> None:
        """`run` ends."""
        self._enough.set()

    async def look(self) -> None:
        """Tell of every alias that means something else than at the last look, as far as the store can say it now."""
        try:
            await self._look()
        except (SQLAlchemyError, OSError, ModelwrightError) as error:
            log.debug("where aliases lead is not known now: %s", error)

    async def _look(self) -> None:
        async with self._turn:
            seen = await self._changes()
            if seen == self._seen:
                return
            known = {
                (name, alias): version
                for name in await self._registry.names()
                for alias, version in (await self._registry.line(name)).aliases.items()
            }
            for (name, alias), version in known.items():
                if self._known.get((name, alias)) != version:
                    await self._follow(name, alias)
            self._seen, self._known = seen, known
