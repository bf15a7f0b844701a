"""Models straight in the database, for the command line and for `up` while nothing runs; it speaks to no process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from modelwright.app.keys.alone import lone_store
from modelwright.app.models.desk import ModelDesk
from modelwright.app.system import SystemClock

_Got = TypeVar("_Got")


class AloneWithModels:
    """Opens the database anew for every act."""

    def __init__(self, state: Path, *, manifest: Path, environment: str, patience: float) -> None:
        """`patience`: seconds to wait for another command that holds the database, or for one that is away."""
        self._state = state
        self._manifest = manifest
        self._environment = environment
        self._patience = patience

    def act(self, act: Callable[[ModelDesk], Awaitable[_Got]]) -> _Got:
        """What it gives; raises RegistryError and StartError."""
        return asyncio.run(self._act(act))

    async def _act(self, act: Callable[[ModelDesk], Awaitable[_Got]]) -> _Got:
        clock = SystemClock()
        lone = lone_store(self._state, manifest=self._manifest, environment=self._environment, patience=self._patience)
        async with lone as (store, _):

            async def held_by(digest: str) -> list[str]:
                return await store.holds.of(digest, now=clock.now(), ours=False)

            return await act(ModelDesk(store.registry, clock, held_by=held_by))
