"""The database of an installation: what stores ask of it, and the one that is a file (SQLite); it knows no query."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import msgspec
from sqlalchemy import URL, Connection, Dialect, Table, event, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from modelwright.adapters.stores.schema import bring_to_head
from modelwright.core.errors.starting import StartError

BUSY = 2.0
"""Seconds to wait for somebody else's write to end."""

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    # A spool file is deleted once its rows are here, so a commit must be on the disk when it returns.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {int(BUSY * 1000)}",
)


class Reader(Protocol):
    """Begins transactions that read, each of which sees one moment."""

    def connect(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction."""
        ...


class Writer(Protocol):
    """Begins transactions that write."""

    def begin(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """One transaction, durable when the block has ended, undone when it fails."""
        ...


class Database(Protocol):
    """What the stores ask of a database."""

    @property
    def writer(self) -> Writer:
        """For what may be written by several at once."""
        ...

    @property
    def reader(self) -> Reader:
        """For what is only looked at."""
        ...

    @property
    def patient(self) -> Reader:
        """Likewise, for what may take minutes."""
        ...

    @property
    def dialect(self) -> Dialect:
        """How statements are put into words."""
        ...

    @property
    def insert(self) -> Callable[[Table], Any]:
        """An INSERT that can end in ON CONFLICT."""
        ...

    def alone(self, what: str) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that writes, while nobody else is in one of the same name: looking before writing is safe."""
        ...

    async def check(self) -> None:
        """See that it is there and can be read; raises StartError, and DBAPIError."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class SqliteDatabase:
    """Two views of one pool of connections: transactions of `writer` own the database from their first statement."""

    insert = staticmethod(sqlite.insert)

    def __init__(self, engine: AsyncEngine, path: Path) -> None:
        self.writer = engine
        self.reader = self.patient = engine.execution_options(read_only=True)
        self.dialect = engine.dialect
        self._path = path
        self._file = _identity(path)
        event.listen(engine.sync_engine, "begin", self._begin)

    def alone(self, what: str) -> AbstractAsyncContextManager[AsyncConnection]:
        return self.writer.begin()

    async def check(self) -> None:
        self._see_it()
        async with self.reader.connect() as connection:
            await connection.execute(text("SELECT 1 FROM keys LIMIT 1"))

    def _see_it(self) -> None:
        """A database that was moved away takes writes that nobody will find. Raises StartError."""
        file = _identity(self._path)
        if file is None:
            raise StartError(f"{self._path} is gone", hint="put it back; nothing is lost meanwhile")
        if file != self._file:
            hint = "put the one before back, or stop Modelwright before a backup is restored"
            raise StartError(f"{self._path} is another file than the one that was opened", hint=hint)

    def _begin(self, connection: Connection) -> None:
        """A transaction that will write takes the lock at once: upgrading later fails when somebody else wrote."""
        reads = connection.get_execution_options().get("read_only", False)
        if not reads:
            self._see_it()
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    async def close(self) -> None:
        await self.writer.dispose()


async def open_database(path: Path) -> SqliteDatabase:
    """Open (0600, made when missing) and migrate; raises StartError for a file that is no database of this version."""
    _create(path)
    database = SqliteDatabase(_engine(path), path)
    try:
        async with database.writer.begin() as connection:
            await connection.run_sync(bring_to_head, str(path))
    except OperationalError as error:
        await database.close()
        hint = "see that the disk has space and that no other program holds the file"
        raise StartError(f"{path} cannot be opened: {error.orig}", hint=hint) from error
    except DatabaseError as error:
        await database.close()
        raise StartError(
            f"{path} is damaged: {error.orig}", hint="restore it from a backup, or move it away"
        ) from error
    except BaseException:
        await database.close()
        raise
    return database


def _create(path: Path) -> None:
    """SQLite would make the file, its log and its index readable for others."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StartError(f"{path} cannot be opened: {error.strerror}", hint="let this user write there") from error


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, whatever stands in it; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _engine(path: Path) -> AsyncEngine:
    engine = create_async_engine(
        # Never made by a mere connection: it could be there for a moment only, moved away or about to be restored.
        URL.create("sqlite+aiosqlite", database=path.absolute().as_uri(), query={"uri": "true", "mode": "rw"}),
        connect_args={"timeout": BUSY},
        hide_parameters=True,  # digests and users do not belong into errors
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
    )
    event.listen(engine.sync_engine, "connect", _connected)
    return engine


def _connected(connection: Any, _record: Any) -> None:
    connection.isolation_level = (
        None  # the driver's own BEGIN comes too late for reads and for tables; Database sends it
    )
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()
