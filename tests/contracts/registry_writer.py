"""A process that puts a document into a registry's database and kills itself in the middle: it is no test itself."""

import asyncio
import hashlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import event

from modelwright.adapters.stores.database import open_database
from modelwright.adapters.stores.sql_registry import SqlRegistryStore
from modelwright.core.ports.registry import VERSION, Entry

TABLES = {"document": "registry_contents", "entry": "registry_history"}


async def main(path: Path, moment: str) -> None:
    """Die as soon as the statement of this moment was executed, before the transaction ends; or once all is done."""
    database = await open_database(path)
    store = SqlRegistryStore(database)
    await put(store, "before", b"old")

    def executed(*arguments: Any) -> None:
        if arguments[2].startswith(f"INSERT INTO {TABLES.get(moment)}"):
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(database.writer.sync_engine, "after_cursor_execute", executed)
    await put(store, "support", b"new" * 100_000)
    os.kill(os.getpid(), signal.SIGKILL)


async def put(store: SqlRegistryStore, name: str, content: bytes) -> None:
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    entry = Entry(act=VERSION, name="v1", to=digest, who="user:me", why="a test", at=1.0)
    assert await store.append("prompt", name, entry, after=0, content=content)


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
