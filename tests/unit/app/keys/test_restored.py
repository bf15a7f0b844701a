"""Large sets of keys after an older database was put back: tables of the time that is gone are not trusted."""

import hashlib
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from modelwright.adapters.stores.database import open_database
from modelwright.adapters.stores.memory_keys import MemoryKeyStore
from modelwright.adapters.stores.sql_keys import SqlKeyStore
from modelwright.app.keys.set import KeySet, Known
from modelwright.app.keys.table import open_table
from modelwright.core.contracts.snapshot import Key
from modelwright.core.ports.stores import KeyRow
from modelwright.gateway.identity.keys import Keys
from tests.unit.gateway.world import snapshot

INLINE = 5
DATABASE, BACKUP = "modelwright.db", "backup.db"


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


async def add(store: SqlKeyStore | MemoryKeyStore, count: int, prefix: str) -> None:
    for number in range(count):
        name = f"{prefix}{number}"
        await store.add(KeyRow(key=Key(id=name, digest=digest(name), name=name, tenant="t"), created=1.0))


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[SqlKeyStore, KeySet]]:
    """As a control process does it."""
    database = await open_database(folder / DATABASE)
    store = SqlKeyStore(database)
    keys = KeySet(folder, store, inline=INLINE)
    try:
        yield store, keys
    finally:
        await keys.settle()
        await database.close()


def put_back(folder: Path) -> None:
    for path in folder.glob(f"{DATABASE}*"):
        path.unlink()
    shutil.copy(folder / BACKUP, folder / DATABASE)


async def with_backup(folder: Path) -> None:
    async with opened(folder) as (store, _):
        await add(store, 30, "a")
    shutil.copy(folder / DATABASE, folder / BACKUP)


def looked_up(known: Known) -> Keys:
    """As a gateway finds them."""
    held = snapshot(keys=known.live, key_table=known.table, keys_gone=known.gone)
    return Keys(held, open_table(known.table) if known.table else None)


async def test_control_starts_however_many_tables_of_later_marks_there_are(tmp_path: Path) -> None:
    await with_backup(tmp_path)
    async with opened(tmp_path) as (store, keys):
        for prefix in "bcd":
            await add(store, 60, prefix)
            await keys.known(now=2.0)
            await keys.settle()
    put_back(tmp_path)
    for _ in range(3):
        async with opened(tmp_path) as (_, keys):
            known = await keys.known(now=2.0)
        found = looked_up(known)
        assert (known.count, Path(known.table).exists()) == (30, True)
        assert found.get(digest("a29")) is not None
        assert found.get(digest("b0")) is None, "a key of the time that is gone"


@pytest.mark.parametrize("between", ["control ran", "only commands ran"])
async def test_a_key_that_was_revoked_after_the_backup_was_put_back_stays_dead(tmp_path: Path, between: str) -> None:
    await with_backup(tmp_path)
    async with opened(tmp_path) as (store, keys):
        await add(store, 3, "b")
        await keys.known(now=2.0)
    put_back(tmp_path)
    async with opened(tmp_path) as (store, keys):
        if between == "control ran":
            await keys.known(now=2.0)
        await store.revoke("a7", at=3.0)
        await add(store, 4, "c")
        if between == "control ran":
            await keys.known(now=4.0)
    async with opened(tmp_path) as (_, keys):
        found = looked_up(await keys.known(now=5.0))
    assert [found.get(digest(name)) is not None for name in ("a6", "a7", "b0", "c0", "c3")] == [
        True, False, False, True, True,
    ]  # fmt: skip


async def test_a_table_that_the_store_could_not_remember_is_not_left_behind(tmp_path: Path) -> None:
    class Away(MemoryKeyStore):
        async def remember_table(self, number: int) -> None:
            raise OSError("the disk is full")

    store = Away()
    await add(store, 30, "a")
    with pytest.raises(OSError, match="full"):
        await KeySet(tmp_path, store, inline=INLINE).known(now=2.0)
    assert not list((tmp_path / "keys").iterdir())
