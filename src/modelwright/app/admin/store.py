"""The database of one installation with its stores, opened by the one process that may write it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from modelwright.adapters.stores.database import Database, open_database
from modelwright.adapters.stores.owner_lock import OwnerLock
from modelwright.adapters.stores.sql_feedback import SqlVariants
from modelwright.adapters.stores.sql_keys import SqlKeyStore
from modelwright.adapters.stores.sql_ledger import SqlLedger
from modelwright.adapters.stores.sql_registry import SqlRegistryStore
from modelwright.adapters.stores.sql_serials import SqlSerials
from modelwright.adapters.stores.sql_spending import SqlSpending

LOOK = 0.5
"""Seconds between two looks for a database that is gone."""
DATABASE = "modelwright.db"
"""In the state directory."""

log = logging.getLogger("modelwright.control")


class Store:
    """Keys, ledger, registry and serials over one database."""

    def __init__(self, database: Database, lock: OwnerLock) -> None:
        self.keys = SqlKeyStore(database)
        self.ledger = SqlLedger(database)
        self.serials = SqlSerials(database)
        self.registry = SqlRegistryStore(database)
        self.variants = SqlVariants(database)
        self.spending = SqlSpending(database)
        self.check = database.check
        """See that what is written will be found; see Database.check."""
        self._database = database
        self._lock = lock

    async def close(self) -> None:
        """Close the database and let others at it."""
        await self._database.close()
        self._lock.release()


async def open_store(state: Path, *, patience: float, is_known: bool = False) -> Store:
    """Open and migrate, after up to `patience` seconds in which somebody else holds the database. Raises StartError.

    One that `is_known` to have been there is waited for: a new one, without a key, must not take its place.
    """
    if is_known:
        await _until_there(state / DATABASE)
    lock = OwnerLock(state / f"{DATABASE}.lock")
    await lock.take(patience=patience)
    try:
        return Store(await open_database(state / DATABASE), lock)
    except BaseException:
        lock.release()
        raise


async def _until_there(path: Path) -> None:
    if await asyncio.to_thread(path.exists):
        return
    log.error("%s is gone; it is waited for, and the gateways answer by the keys that they know", path)
    while not await asyncio.to_thread(path.exists):  # noqa: ASYNC110 - nobody tells of a file
        await asyncio.sleep(LOOK)
