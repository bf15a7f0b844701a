"""The database as PostgreSQL: every wait has an end, and what goes wrong is told in words; it knows no query."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import asyncpg
import msgspec
from sqlalchemy import BigInteger, Pool, bindparam, event, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import TimeoutError as NoConnectionFree
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from modelwright.adapters.stores.postgres_address import PLACE, Address
from modelwright.adapters.stores.postgres_faults import DatabaseAway, away, is_lost, refusal
from modelwright.adapters.stores.postgres_tls import tls_of
from modelwright.adapters.stores.schema import bring_to_head
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError

CONNECT = 5.0
"""Seconds until a connection must stand."""
COMMAND = 10.0
"""Seconds that one statement may take, as seen from here: a server that is stopped answers nothing at all."""
PATIENT = 600.0
"""Likewise of the schema's changes, waiting for another host that makes them included, and of reading every key."""
CONNECTIONS = 5
"""Of one control process. Who finds none free waits for CONNECT seconds, and is refused."""
OLDEST = 13
"""The oldest version of PostgreSQL that we run on."""
_SESSION = {
    "lock_timeout": "5s",
    # Of a host that is gone in the middle: what it held is free again.
    "idle_in_transaction_session_timeout": "15s",
    "timezone": "UTC",
    # A commit is on the disk when it returns, also where the server's own default is another: a spool file goes then.
    "synchronous_commit": "on",
}
_LOCK = text("SELECT pg_advisory_xact_lock(:number)").bindparams(bindparam("number", type_=BigInteger))
_MAY_WRITE = text(
    "SELECT has_table_privilege('keys', 'INSERT') AND has_table_privilege('keys', 'UPDATE')"
    " AND has_table_privilege('ledger', 'INSERT') AND has_table_privilege('ledger', 'UPDATE')"
    " AND has_table_privilege('spool_offsets', 'DELETE')"
)

Reading = Callable[[], Address]
"""The address as it is now: a password may be exchanged while we run. Raises ModelwrightError."""


class PostgresDatabase:
    """Transactions over one pool of connections; those of `reader` see one moment."""

    insert = staticmethod(postgresql.insert)

    def __init__(self, engine: AsyncEngine, patient: AsyncEngine, *, address: Address) -> None:
        """`patient` keeps no connections, and gives statements their time."""
        self.writer = engine
        self.reader = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.patient = patient.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.dialect = engine.dialect
        self._schema = address.schema

    @asynccontextmanager
    async def alone(self, what: str) -> AsyncIterator[AsyncConnection]:
        async with self.writer.begin() as connection:
            await connection.execute(_LOCK, {"number": _lock_number(self._schema, what)})
            yield connection

    async def check(self) -> None:
        async with self.reader.connect() as connection:
            await connection.execute(text("SELECT 1 FROM keys LIMIT 1"))

    async def close(self) -> None:
        await self.writer.dispose()


async def open_postgres(read: Reading, *, base: str, within: float = COMMAND) -> PostgresDatabase:
    """Open and migrate. Files that the address names are relative to `base`, the manifest's directory.

    `within`: seconds for one statement.

    Raises StartError, and its kind DatabaseAway where it may be another matter soon.
    """
    address = read()
    patient = _engine(_creator(read, base, statements=PATIENT), address, pool=NullPool)
    async with patient.connect() as connection:
        await _see_what_it_is(connection, address)
        await connection.rollback()
        await _bring_to_head(connection, address)
    engine = _engine(_creator(read, base, statements=within), address, pool=_Pool)
    return PostgresDatabase(engine, patient, address=address)


async def _see_what_it_is(connection: AsyncConnection, address: Address) -> None:
    """Raises StartError for a server or a database that cannot be written by us."""
    number = int(await connection.scalar(text("SHOW server_version_num")) or 0)
    if number < OLDEST * 10_000:
        hint = f"take PostgreSQL {OLDEST} or newer"
        raise StartError(f"{address} runs PostgreSQL {number // 10_000}", hint=hint, place=PLACE)
    encoding = await connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        hint = "make it anew with ENCODING 'UTF8' TEMPLATE template0"
        raise StartError(f"{address} keeps its texts in {encoding}", hint=hint, place=PLACE)
    if await connection.scalar(text("SHOW transaction_read_only")) == "on":
        hint = "name the primary, or several hosts with target_session_attrs=read-write"
        raise StartError(f"{address} is a standby, or set to read only", hint=hint, place=PLACE)


async def _bring_to_head(connection: AsyncConnection, address: Address) -> None:
    async with connection.begin():
        # One host at a time, whichever comes first; the others find it done.
        await connection.execute(text(f"SET LOCAL lock_timeout = '{int(PATIENT)}s'"))
        await connection.execute(_LOCK, {"number": _lock_number(address.schema, "migrations")})
        schema = {"schema": address.schema}
        if await connection.scalar(text("SELECT 1 FROM pg_namespace WHERE nspname = :schema"), schema) is None:
            await connection.execute(
                text(f"CREATE SCHEMA {connection.dialect.identifier_preparer.quote(address.schema)}")
            )
        await connection.run_sync(bring_to_head, str(address))
        if not await connection.scalar(_MAY_WRITE):
            raise away("42501", "the user may not write the tables", address)


def _engine(create: Callable[[], Awaitable[Any]], address: Address, *, pool: type[Pool]) -> AsyncEngine:
    bounds = {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": CONNECT} if pool is _Pool else {}
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=create,
        poolclass=pool,
        hide_parameters=True,  # digests and users do not belong into errors
        json_serializer=lambda value: msgspec.json.encode(value).decode(),
        json_deserializer=msgspec.json.decode,
        **bounds,
    )

    def failed(context: ExceptionContext) -> ModelwrightError | None:
        error = context.original_exception
        if not is_lost(error):
            return None
        connection = context.connection
        if connection is not None and isinstance(error, OSError) and not connection.invalidated:
            # To end it in order would wait for a server that does not answer.
            connection.connection.driver_connection.terminate()  # type: ignore[union-attr] - asyncpg's own
            context.is_disconnect = True
        return refusal(error, address)

    event.listen(engine.sync_engine, "handle_error", failed)
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    return engine


def _creator(read: Reading, base: str, *, statements: float) -> Callable[[], Awaitable[Any]]:
    async def create() -> Any:
        address = read()
        hosts = [host for host, _ in address.hosts]
        try:
            return await asyncpg.connect(
                host=hosts,
                port=[port for _, port in address.hosts],
                user=address.user,
                password=address.password,
                database=address.database,
                timeout=address.within or CONNECT,  # type: ignore[arg-type] - fractions are fine
                command_timeout=statements,
                ssl=tls_of(address, base),
                server_settings={**_SESSION, **_ends(statements), "search_path": address.schema, **address.settings},
                target_session_attrs=address.attributes,
            )
        except Exception as error:
            if isinstance(error, ModelwrightError) or not is_lost(error):
                raise
            raise refusal(error, address) from error

    return create


def _ends(statements: float) -> dict[str, str]:
    """The server gives up a statement shortly before we do: what was given up here must not go on there."""
    return {"statement_timeout": str(int(statements * 900))}


def _refuse_closed(connection: Any, _record: Any, _proxy: Any) -> None:
    """A connection that has died in the pool is made anew, so that nobody's statement finds it out."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


class _Pool(AsyncAdaptedQueuePool):
    """Says in our words that no connection is free."""

    def _do_get(self) -> Any:
        try:
            return super()._do_get()
        except NoConnectionFree as error:
            _no_connection(error)


def _no_connection(error: Exception) -> NoReturn:
    problem = f"all {CONNECTIONS} connections to the database are in use"
    raise DatabaseAway(problem, hint="ask again in a moment; if it stays, see what the server is busy with") from error


def _lock_number(schema: str, what: str) -> int:
    """Advisory locks are numbers, the same in every process; those of a database are shared by all its schemas."""
    digest = hashlib.blake2b(f"modelwright/{schema}/{what}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
