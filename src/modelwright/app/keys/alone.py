"""Keys straight in the database, for the command line while nothing runs; it speaks to no process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from modelwright.app.admin.store import Store, open_store
from modelwright.app.keys.desk import KeyDesk
from modelwright.app.keys.types import KeyChanged, KeyFacts, KeyMade, KeyRotated, KeyWish, RotationWish
from modelwright.app.manifest.load import database_of
from modelwright.app.secret_stores.told import from_stores
from modelwright.app.settings.own_secrets import pepper
from modelwright.app.settings.settings import PEPPER_NAME, Settings
from modelwright.app.settings.shared_database import SharedDatabase
from modelwright.app.system import SystemClock

_Got = TypeVar("_Got")


class Alone:
    """The verbs of `modelwright keys`; each opens the database for itself. All raise AccessError and StartError."""

    def __init__(self, state: Path, *, manifest: Path, environment: str, patience: float) -> None:
        """`patience`: seconds to wait for another command that holds the database, or for one that is away."""
        self._state = state
        self._manifest = manifest
        self._environment = environment
        self._patience = patience

    def create(self, wish: KeyWish) -> KeyMade:
        """Make a key."""
        return asyncio.run(self._act(lambda desk: desk.create(wish)))

    def rotate(self, which: str, wish: RotationWish) -> KeyRotated:
        """Replace a key of this id or name by a new one."""
        return asyncio.run(self._act(lambda desk: desk.rotate(which, wish)))

    def list(self) -> list[KeyFacts]:
        """The newest keys, at most 10,000, the newest first."""
        return asyncio.run(self._act(lambda desk: desk.list()))

    def revoke(self, which: str) -> KeyChanged:
        """Revoke a key by id or name."""
        return asyncio.run(self._act(lambda desk: desk.revoke(which)))

    async def _act(self, act: Callable[[KeyDesk], Awaitable[_Got]]) -> _Got:
        lone = lone_store(self._state, manifest=self._manifest, environment=self._environment, patience=self._patience)
        async with lone as (store, made_with):
            return await act(KeyDesk(store.keys, pepper=made_with, clock=SystemClock()))


@asynccontextmanager
async def lone_store(
    state: Path, *, manifest: Path, environment: str, patience: float
) -> AsyncIterator[tuple[Store, bytes]]:
    """The database of a manifest that nobody runs here, and the pepper; raises StartError and ManifestError."""
    base = manifest.absolute().parent  # noqa: ASYNC240 - nothing else runs in this loop
    settings = Settings(base, environment=environment, state=state)
    made_with = pepper(state, configured=settings.secret(PEPPER_NAME))
    address = database_of(manifest, environment=environment)
    if address:
        stores = from_stores(manifest, environment=environment)
        settings = Settings(base, environment=environment, state=state, handed=stores)
    shared = SharedDatabase(text=address, base=base, resolve=settings.resolve, pepper=made_with)
    store = await open_store(state, patience=patience, shared=shared if address else None)
    try:
        yield store, made_with
    finally:
        await store.close()
