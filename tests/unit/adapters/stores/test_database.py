import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from modelwright.adapters.stores.database import SqliteDatabase, _engine, open_database
from modelwright.adapters.stores.migrate import configuration, upgrade
from modelwright.adapters.stores.sql_ledger import FIELDS
from modelwright.adapters.stores.tables import HEAD, ledger, metadata
from modelwright.core.errors.starting import StartError


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = await open_database(tmp_path / "state" / "modelwright.db")
    yield opened
    await opened.close()


def shape(connection: Connection) -> dict[str, object]:
    """Every table with all that SQLAlchemy can tell of it."""
    found = inspect(connection)
    return {
        table: [
            [column | {"type": repr(column["type"])} for column in found.get_columns(table)],
            found.get_pk_constraint(table)["constrained_columns"],
            found.get_unique_constraints(table),
            [(index["name"], index["column_names"], index["unique"]) for index in found.get_indexes(table)],
            [str(index.get("dialect_options", {}).get("sqlite_where")) for index in found.get_indexes(table)],
            found.get_table_options(table),
        ]
        for table in found.get_table_names()
    }


def differences(connection: Connection) -> object:
    return compare_metadata(MigrationContext.configure(connection), metadata)


async def test_the_migrations_lead_to_where_a_new_database_begins(database: SqliteDatabase, tmp_path: Path) -> None:
    (tmp_path / "old.db").touch()
    old = SqliteDatabase(_engine(tmp_path / "old.db"), tmp_path / "old.db")
    async with old.writer.begin() as connection:
        await connection.run_sync(upgrade)
        assert await connection.run_sync(differences) == []
        migrated = await connection.run_sync(shape)
    await old.close()
    async with database.reader.connect() as connection:
        assert await connection.run_sync(differences) == []
        assert await connection.run_sync(shape) == migrated
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD


async def test_a_database_that_is_behind_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "modelwright.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    database = await open_database(path)
    async with database.reader.connect() as connection:
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD
        assert "ledger" in await connection.run_sync(shape)
    await database.close()


def test_the_newest_migration_is_the_one_that_the_code_names() -> None:
    scripts = ScriptDirectory.from_config(configuration())
    assert scripts.get_heads() == [HEAD]


def test_the_ledger_has_a_column_for_every_field_of_the_row() -> None:
    assert set(ledger.c.keys()) == {*FIELDS, "writer"}


async def test_the_database_is_durable_and_private(database: SqliteDatabase, tmp_path: Path) -> None:
    pragmas = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 2000}
    async with database.writer.connect() as connection:
        for name, value in pragmas.items():
            assert (await connection.execute(text(f"PRAGMA {name}"))).scalar() == value
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "state").iterdir()}
    assert set(modes) == {"modelwright.db", "modelwright.db-wal", "modelwright.db-shm"}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700


async def test_a_transaction_leaves_nothing_when_it_fails(database: SqliteDatabase) -> None:
    async def half() -> None:
        async with database.writer.begin() as connection:
            await connection.execute(text("INSERT INTO serials VALUES ('a', 1)"))
            await connection.execute(text("CREATE TABLE half (a)"))
            await connection.execute(text("INSERT INTO elsewhere VALUES (1)"))

    with pytest.raises(DBAPIError, match="no such table"):
        await half()
    async with database.reader.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM serials"))).scalar() == 0
        assert (await connection.execute(text("SELECT count(*) FROM sqlite_master WHERE name = 'half'"))).scalar() == 0


async def test_errors_do_not_show_values(database: SqliteDatabase) -> None:
    with pytest.raises(DBAPIError) as raised:
        async with database.writer.begin() as connection:
            await connection.execute(text("INSERT INTO elsewhere VALUES (:digest)"), {"digest": "planted"})
    assert "planted" not in str(raised.value)


@pytest.mark.usefixtures("database")
def test_a_database_at_the_newest_migration_needs_no_alembic(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path;"
        "from modelwright.adapters.stores.database import open_database;"
        "asyncio.run(open_database(Path(sys.argv[1])));"
        "print(sorted(name for name in sys.modules if name.startswith(('alembic', 'mako'))))"
    )
    path = tmp_path / "state" / "modelwright.db"
    ran = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "modelwright.db"
    await (await open_database(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StartError, match=r"newer version.*9999") as refused:
        await open_database(path)
    assert refused.value.hint


async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "modelwright.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StartError, match="damaged"):
        await open_database(path)
    assert path.read_bytes() == b"not a database at all" * 100


async def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="cannot be opened"):
        await open_database(tmp_path / "file" / "modelwright.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StartError, match="cannot be opened"):
        await open_database(tmp_path / "folder")


async def test_opening_again_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a%20strange #name?" / "modelwright.db"
    first = await open_database(path)
    async with first.writer.begin() as connection:
        await connection.execute(text("INSERT INTO serials VALUES ('a', 1)"))
    await first.close()
    second = await open_database(path)
    async with second.reader.connect() as connection:
        assert (await connection.execute(text("SELECT value FROM serials"))).scalar() == 1
    await second.close()
    assert path.stat().st_size > 0


async def test_a_database_that_was_moved_away_takes_no_write_and_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    path, aside = tmp_path / "modelwright.db", tmp_path / "aside.db"
    database = await open_database(path)
    await database.check()
    path.rename(aside)
    with pytest.raises(StartError, match="is gone"):
        await database.check()
    with pytest.raises(StartError, match="is gone"):
        async with database.writer.begin():
            pass
    assert not path.exists()
    aside.rename(path)
    await database.check()
    async with database.writer.begin() as connection:
        await connection.execute(text("INSERT INTO serials VALUES ('a', 1)"))
    await database.close()


async def test_another_file_in_its_place_is_not_mistaken_for_it(tmp_path: Path) -> None:
    path, other = tmp_path / "modelwright.db", tmp_path / "restored.db"
    await (await open_database(other)).close()
    database = await open_database(path)
    other.replace(path)
    with pytest.raises(StartError, match="another file"):
        await database.check()
    with pytest.raises(StartError, match="another file"):
        async with database.writer.begin():
            pass
    await database.close()
