"""The database of one installation with its stores, opened by the one process of a host that may write it."""

from __future__ import annotations

import asyncio
import logging
import socket
from importlib import import_module
from pathlib import Path

from modelwright.adapters.stores.database import Database, open_database
from modelwright.adapters.stores.owner_lock import OwnerLock
from modelwright.adapters.stores.sql_feedback import SqlVariants
from modelwright.adapters.stores.sql_holds import SqlHolds
from modelwright.adapters.stores.sql_hosts import SqlHosts
from modelwright.adapters.stores.sql_keys import SqlKeyStore
from modelwright.adapters.stores.sql_ledger import SqlLedger
from modelwright.adapters.stores.sql_registry import SqlRegistryStore
from modelwright.adapters.stores.sql_serials import SqlSerials
from modelwright.adapters.stores.sql_spending import SqlSpending
from modelwright.adapters.stores.sql_tasks import SqlTasks
from modelwright.app.settings.shared_database import PLACE, SharedDatabase, host_of
from modelwright.core.errors.starting import StartError

LOOK = 0.5
"""Seconds between two looks for a database that is gone, or away."""
DATABASE = "modelwright.db"
"""In the state directory."""

log = logging.getLogger("modelwright.control")


class Store:
    """Keys, ledger, registry and serials over one database."""

    def __init__(self, database: Database, lock: OwnerLock, *, host: str = "") -> None:
        """`host` is ours where several share the database."""
        self.is_shared = bool(host)
        self.host = host
        self.keys = SqlKeyStore(database, host=host)
        self.ledger = SqlLedger(database, host=host)
        self.hosts = SqlHosts(database, host=host, name=socket.gethostname())
        self.holds = SqlHolds(database, host=host)
        self.serials = SqlSerials(database)
        self.registry = SqlRegistryStore(database)
        self.variants = SqlVariants(database)
        self.spending = SqlSpending(database)
        self.tasks = SqlTasks(database)
        self.check = database.check
        """See that what is written will be found; see Database.check."""
        self.database = database
        self._lock = lock

    async def close(self) -> None:
        """Close the database and let others at it."""
        await self.database.close()
        self._lock.release()


async def open_store(
    state: Path, *, patience: float, is_known: bool = False, shared: SharedDatabase | None = None
) -> Store:
    """Open and migrate, after up to `patience` seconds in which somebody else holds the database. Raises StartError.

    One that `is_known` to have been there is waited for: a new one, without a key, must not take its place.
    """
    if is_known and shared is None:
        await _until_there(state / DATABASE)
    lock = OwnerLock(state / f"{DATABASE}.lock")
    await lock.take(patience=patience)
    try:
        if shared is not None:
            return await _open_shared(state, shared, lock, patience=None if is_known else patience)
        return Store(await open_database(state / DATABASE), lock)
    except BaseException:
        lock.release()
        raise


async def _open_shared(state: Path, shared: SharedDatabase, lock: OwnerLock, *, patience: float | None) -> Store:
    """Waits for a database that is away, for so long; None: as long as it takes."""
    library = import_module("modelwright.adapters.stores.postgres")
    loop = asyncio.get_running_loop()
    began, said = loop.time(), ""
    while True:
        try:
            database: Database = await library.open_postgres(shared.address, base=str(shared.base))
            break
        except library.DatabaseAway as error:
            if patience is not None and (not error.passing or loop.time() - began >= patience):
                raise
            if str(error) != said:
                said = str(error)
                log.error("waiting for the database: %s", said)  # noqa: TRY400 - no trace needed
            await asyncio.sleep(LOOK)
    try:
        store = Store(database, lock, host=host_of(state))
        if await store.hosts.agree("pepper", shared.proof) != shared.proof:
            raise StartError(
                "the keys in the database were made with another pepper, so that this host would know none of them",
                hint="give every host the same MODELWRIGHT_PEPPER, or copy .modelwright/pepper of the first one",
                place=PLACE,
            )
    except BaseException:
        await database.close()
        raise
    return store


async def _until_there(path: Path) -> None:
    if await asyncio.to_thread(path.exists):
        return
    log.error("%s is gone; it is waited for, and the gateways answer by the keys that they know", path)
    while not await asyncio.to_thread(path.exists):  # noqa: ASYNC110 - nobody tells of a file
        await asyncio.sleep(LOOK)
