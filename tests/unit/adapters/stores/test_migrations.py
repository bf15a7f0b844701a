import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command

from modelwright.adapters.stores.database import SqliteDatabase, _engine, open_database
from modelwright.adapters.stores.migrate import configuration
from modelwright.adapters.stores.sql_keys import SqlKeyStore


async def test_keys_made_before_scopes_may_call_everything(tmp_path: Path) -> None:
    path = tmp_path / "modelwright.db"
    path.touch()
    old = SqliteDatabase(_engine(path), path)
    async with old.writer.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "0001"))
    await old.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO keys VALUES ('a', 'd', 'app', 'default', 'client', 1.0, NULL, NULL)")
    database = await open_database(path)
    (row,) = await SqlKeyStore(database).list()
    await database.close()
    assert (row.key.endpoints, row.successor) == ((), "")
