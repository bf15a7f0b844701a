"""PostgreSQL as a database of ours: how it is opened, and what is said when it cannot be."""

import asyncio
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import IntegrityError

from modelwright.adapters.stores import postgres as subject
from modelwright.adapters.stores.migrate import configuration, upgrade
from modelwright.adapters.stores.postgres import PostgresDatabase, open_postgres
from modelwright.adapters.stores.postgres_address import Address, read_address
from modelwright.adapters.stores.postgres_faults import DatabaseAway
from modelwright.adapters.stores.sql_keys import SqlKeyStore
from modelwright.adapters.stores.tables import HEAD, metadata
from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.stores import KeyRow
from tests.making.certificates import make_certificates
from tests.making.databases import new_schema
from tests.making.postgres_server import GUARDED, PASSWORD, PostgresServer


async def opened(url: str) -> PostgresDatabase:
    address = read_address(url)
    patient = replace(address, within=address.within or 60.0)
    return await open_postgres(lambda: patient, base=".")


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[PostgresDatabase]:
    made = await opened(new_schema(postgres))
    yield made
    await made.close()


def shape(connection: Connection) -> dict[str, object]:
    """Every table with all that SQLAlchemy can tell of it, columns in any order."""
    found = inspect(connection)
    return {
        table: [
            sorted(str(sorted((each | {"type": repr(each["type"])}).items())) for each in found.get_columns(table)),
            found.get_pk_constraint(table)["constrained_columns"],
            sorted(constraint["column_names"] for constraint in found.get_unique_constraints(table)),
            sorted((str(i["name"]), i["column_names"], i.get("dialect_options")) for i in found.get_indexes(table)),
        ]
        for table in found.get_table_names()
    }  # fmt: skip


def differences(connection: Connection) -> object:
    return compare_metadata(MigrationContext.configure(connection), metadata)


async def test_the_migrations_lead_to_where_a_new_database_begins(
    database: PostgresDatabase, postgres: PostgresServer
) -> None:
    old = await opened(new_schema(postgres))
    async with old.writer.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(text(f"DROP TABLE {table.name}"))
        await connection.execute(text("DROP TABLE alembic_version"))
        await connection.run_sync(upgrade)
        assert await connection.run_sync(differences) == []
        migrated = await connection.run_sync(shape)
    await old.close()
    async with database.reader.connect() as connection:
        assert await connection.run_sync(differences) == []
        assert await connection.run_sync(shape) == migrated
        assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == HEAD


async def test_an_older_schema_is_migrated_once_whoever_comes_first(postgres: PostgresServer) -> None:
    url = new_schema(postgres)
    old = await opened(url)
    async with old.writer.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(text(f"DROP TABLE {table.name}"))
        await connection.execute(text("DROP TABLE alembic_version"))
        await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "0001"))
        await connection.execute(
            text("INSERT INTO keys VALUES ('a', 'd', 'app', 'default', 'client', 1.0, NULL, NULL)")
        )
    await old.close()
    both = await asyncio.gather(opened(url), opened(url), opened(url))
    (row,) = await SqlKeyStore(both[0]).list()
    assert (row.key.endpoints, row.successor) == ((), "")
    for one in both:
        await one.close()


async def test_hosts_that_start_at_once_make_the_tables_once(postgres: PostgresServer) -> None:
    url = new_schema(postgres)
    for one in await asyncio.gather(*(opened(url) for _ in range(4))):
        await one.check()
        await one.close()


async def test_a_database_of_a_newer_version_is_refused(postgres: PostgresServer) -> None:
    url = new_schema(postgres)
    made = await opened(url)
    async with made.writer.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await made.close()
    with pytest.raises(StartError, match=r"newer version.*9999"):
        await opened(url)


async def test_the_tables_of_somebody_else_in_the_same_database_are_left_alone(postgres: PostgresServer) -> None:
    url = postgres.create("theirs")
    postgres.execute("CREATE TABLE keys (id int); CREATE TABLE alembic_version (version_num text)", database="theirs")
    await (await opened(url)).close()
    assert postgres.execute("SELECT count(*) FROM keys", database="theirs") == "0"
    assert postgres.execute("SELECT count(*) FROM modelwright.keys", database="theirs") == "0"


async def test_sessions_end_by_themselves_and_are_durable(database: PostgresDatabase) -> None:
    wanted = {
        "statement_timeout": "9s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "15s",
        "timezone": "UTC", "synchronous_commit": "on", "application_name": "modelwright",
    }  # fmt: skip
    async with database.writer.connect() as connection:
        assert {name: await connection.scalar(text(f"SHOW {name}")) for name in wanted} == wanted


async def test_what_reads_every_key_has_its_time(database: PostgresDatabase) -> None:
    async with database.patient.connect() as connection:
        assert await connection.scalar(text("SHOW statement_timeout")) == "9min"
        assert await connection.scalar(text("SHOW transaction_isolation")) == "repeatable read"


async def test_a_password_that_is_exchanged_is_used_without_a_restart(postgres: PostgresServer) -> None:
    postgres.execute("CREATE ROLE rotated LOGIN PASSWORD 'first'")
    postgres.create("rotated", owner="rotated")
    password = "first"
    database = await open_postgres(
        lambda: read_address(postgres.url("rotated", user="rotated", password=password)), base="."
    )
    await database.check()
    postgres.execute("ALTER ROLE rotated PASSWORD 'second'")
    password = "second"
    postgres.execute(CUT)
    await asyncio.sleep(0.05)  # the loop hears of it
    await database.check()
    await database.close()


async def test_a_reader_sees_one_moment_and_writes_nothing(database: PostgresDatabase) -> None:
    count = text("SELECT count(*) FROM serials")
    async with database.reader.connect() as reader:
        assert await reader.scalar(count) == 0
        async with database.writer.begin() as writer:
            await writer.execute(text("INSERT INTO serials VALUES ('a', 1)"))
        assert await reader.scalar(count) == 0
    with pytest.raises(DatabaseAway, match="read-only"):
        async with database.reader.connect() as reader:
            await reader.execute(text("INSERT INTO serials VALUES ('b', 1)"))


async def test_who_is_alone_is_alone_also_from_another_host(database: PostgresDatabase) -> None:
    seen: list[str] = []

    async def act(name: str) -> None:
        async with database.alone("test"):
            seen.append(f"{name} in")
            await asyncio.sleep(0.01)
            seen.append(f"{name} out")

    await asyncio.gather(*(act(name) for name in "abc"))
    assert [seen[n][0] for n in range(0, 6, 2)] == [seen[n][0] for n in range(1, 6, 2)]


async def test_a_row_that_is_there_is_no_trouble_of_the_database(database: PostgresDatabase) -> None:
    with pytest.raises(IntegrityError):
        async with database.writer.begin() as connection:
            await connection.execute(text("INSERT INTO serials VALUES ('a', 1), ('a', 2)"))


async def test_connections_that_were_cut_are_made_anew(database: PostgresDatabase, postgres: PostgresServer) -> None:
    await database.check()
    postgres.execute(CUT)
    await asyncio.sleep(0.05)  # the loop hears of it
    await database.check()

    async def half() -> None:
        async with database.writer.begin() as connection:
            await connection.execute(text("INSERT INTO serials VALUES ('a', 1)"))
            postgres.execute(CUT)
            await connection.execute(text("INSERT INTO serials VALUES ('b', 1)"))

    with pytest.raises(DatabaseAway, match=r"refuses: terminating|lost"):
        await half()
    async with database.reader.connect() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM serials")) == 0


async def test_connections_are_bounded_and_who_finds_none_is_told(database: PostgresDatabase) -> None:
    held = [await database.writer.connect() for _ in range(subject.CONNECTIONS)]
    with pytest.raises(DatabaseAway, match="all 5 connections") as refused:
        await database.check()
    assert refused.value.hint
    for one in held:
        await one.close()
    await database.check()


async def test_a_server_that_is_stopped_is_given_up_in_time_and_gathers_no_connections(
    postgres: PostgresServer,
) -> None:
    address = read_address(f"{new_schema(postgres)}&connect_timeout=1&application_name=stopped")
    database = await open_postgres(lambda: address, base=".", within=0.5)
    keys = SqlKeyStore(database)
    row = KeyRow(key=Key(id="a", digest="d", name="app"), created=1.0)
    await keys.add(row)
    postgres.pause()
    try:
        for _ in range(3):
            refused = await asyncio.gather(*(keys.revoke("a", at=2.0) for _ in range(4)), return_exceptions=True)
            assert {type(error) for error in refused} == {DatabaseAway}
            assert all("does not answer in time" in str(error) for error in refused)
    finally:
        postgres.resume()
    (kept,) = await keys.list()
    assert kept.revoked in {None, 2.0}, "what was sent before the stop may have been done after it"
    counted = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stopped'"
    for _ in range(100):
        if int(postgres.execute(counted)) <= subject.CONNECTIONS:
            break
        await asyncio.sleep(0.05)
    assert int(postgres.execute(counted)) <= subject.CONNECTIONS
    await database.close()


CUT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'modelwright'"


async def refusal(url: str) -> StartError:
    with pytest.raises(StartError) as refused:
        await opened(url)
    assert refused.value.hint
    assert refused.value.place == "store.database"
    assert PASSWORD not in f"{refused.value} {refused.value!r}"
    return refused.value


async def test_each_way_of_not_being_let_in_is_told_with_a_remedy(postgres: PostgresServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        error = await refusal(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d?connect_timeout=1&sslmode=disable")
        assert "does not answer" in str(error)
    error = await refusal(f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/d")
    assert "Connection refused" in str(error) or "cannot be reached" in str(error)
    error = await refusal(f"postgresql://u:{PASSWORD}@no-such-host.invalid/d")
    assert "cannot be reached" in str(error)
    error = await refusal(postgres.url(user=GUARDED, password=f"wrong-{PASSWORD}"))
    assert 'password authentication failed for user "guarded"' in str(error)
    error = await refusal(postgres.url("nowhere"))
    assert ('database "nowhere" does not exist' in str(error), "CREATE DATABASE" in error.hint) == (True, True)
    error = await refusal(new_schema(postgres, user=GUARDED, password=PASSWORD))
    assert ("permission denied" in str(error), "GRANT CREATE" in error.hint) == (True, True)
    if postgres.execute("SHOW ssl") == "off":
        error = await refusal(f"{new_schema(postgres)}&sslmode=require")
        assert "offers no TLS" in str(error)


@pytest.fixture
def certificates(postgres: PostgresServer, tmp_path: Path) -> Iterator[Path]:
    """Those that the server shows meanwhile."""
    made = make_certificates(tmp_path)
    with postgres.offering_tls(made / "server.pem", made / "server.key"):
        yield made


async def test_with_tls_only_who_is_known_is_believed(postgres: PostgresServer, certificates: Path) -> None:
    trusted = f"sslrootcert={certificates / 'authority.pem'}"
    used = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    plain = new_schema(postgres).replace("127.0.0.1", "localhost")
    for words, is_encrypted in (
        ("sslmode=disable", False), ("sslmode=prefer", True), ("sslmode=require", True),
        (f"sslmode=verify-ca&{trusted}", True), (f"sslmode=verify-full&{trusted}", True),
    ):  # fmt: skip
        database = await opened(f"{plain}&{words}")
        async with database.reader.connect() as connection:
            assert await connection.scalar(text(used)) is is_encrypted, words
        await database.close()
    for words in ("sslmode=verify-full", "sslmode=verify-ca"):
        assert "cannot be trusted: unable to get local issuer" in str(await refusal(f"{plain}&{words}"))
    elsewhere = f"{plain}&sslmode=verify-full&{trusted}".replace("localhost", "127.0.0.1")
    assert "not valid for '127.0.0.1'" in str(await refusal(elsewhere))
    await asyncio.sleep(0.05)  # the driver closes what it had opened
    gc.collect()


async def test_a_standby_is_refused(postgres: PostgresServer) -> None:
    url = postgres.create("standby")
    postgres.execute("ALTER DATABASE standby SET default_transaction_read_only = on")
    assert "read only" in str(await refusal(url))


async def test_a_database_of_another_encoding_is_refused(postgres: PostgresServer) -> None:
    postgres.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    assert "SQL_ASCII" in str(await refusal(postgres.url("ascii")))


async def test_a_database_that_takes_no_more_connections_is_waited_for(postgres: PostgresServer) -> None:
    url = postgres.create("crowded", owner=GUARDED).replace("postgres@", f"{GUARDED}:{PASSWORD}@")
    postgres.execute("ALTER DATABASE crowded CONNECTION LIMIT 0")
    error = await refusal(url)
    assert ("too many connections" in str(error), isinstance(error, DatabaseAway) and error.passing) == (True, True)


async def test_tables_that_may_only_be_read_are_refused(postgres: PostgresServer) -> None:
    url = postgres.create("looked")
    await (await opened(url)).close()
    postgres.execute(
        f"GRANT USAGE ON SCHEMA modelwright TO {GUARDED};"
        f" GRANT SELECT ON ALL TABLES IN SCHEMA modelwright TO {GUARDED}",
        database="looked",
    )
    assert "may not write" in str(await refusal(url.replace("postgres@", f"{GUARDED}:{PASSWORD}@")))


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path, mode: str) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    address = read_address(f"postgresql://h/d?sslmode={mode}&sslrootcert=ca.pem")
    with pytest.raises(StartError, match=r"ca\.pem cannot be used"):
        subject.tls_of(address, str(tmp_path))


def test_what_each_mode_asks_of_a_certificate() -> None:
    def asked(mode: str) -> object:
        found = subject.tls_of(read_address(f"postgresql://h/d?sslmode={mode}"), ".")
        return (found.verify_mode, found.check_hostname) if isinstance(found, ssl.SSLContext) else found

    assert [asked(mode) for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")] == [
        False, "allow", "prefer", (ssl.CERT_NONE, False), (ssl.CERT_REQUIRED, False), (ssl.CERT_REQUIRED, True),
    ]  # fmt: skip


def test_an_address_shows_no_password() -> None:
    address = read_address(f"postgresql://u:{PASSWORD}@h:1/d")
    assert isinstance(address, Address)
    assert PASSWORD not in f"{address} {address!r}"
