"""The database of one installation with its stores, opened by the one process that may write it."""

from __future__ import annotations

from pathlib import Path

from modelwright.adapters.stores.database import Database, open_database
from modelwright.adapters.stores.owner_lock import OwnerLock
from modelwright.adapters.stores.sql_feedback import SqlVariants
from modelwright.adapters.stores.sql_keys import SqlKeyStore
from modelwright.adapters.stores.sql_ledger import SqlLedger
from modelwright.adapters.stores.sql_registry import SqlRegistryStore
from modelwright.adapters.stores.sql_serials import SqlSerials


class Store:
    """Keys, ledger, registry and serials over one database."""

    def __init__(self, database: Database, lock: OwnerLock) -> None:
        self.keys = SqlKeyStore(database)
        self.ledger = SqlLedger(database)
        self.serials = SqlSerials(database)
        self.registry = SqlRegistryStore(database)
        self.variants = SqlVariants(database)
        self._database = database
        self._lock = lock

    async def close(self) -> None:
        """Close the database and let others at it."""
        await self._database.close()
        self._lock.release()


async def open_store(state: Path, *, patience: float) -> Store:
    """Open and migrate, after up to `patience` seconds in which somebody else holds the database. Raises StartError."""
    lock = OwnerLock(state / "modelwright.db.lock")
    await lock.take(patience=patience)
    try:
        return Store(await open_database(state / "modelwright.db"), lock)
    except BaseException:
        lock.release()
        raise
