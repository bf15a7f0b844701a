"""Runs the migrations on the database of DATABASE_URL."""

import asyncio

from alembic import context
from sqlalchemy import Connection, pool
from sqlalchemy.ext.asyncio import create_async_engine

from knowledge_base.settings import database


def run(connection: Connection) -> None:
    """All in one transaction; who comes at the same time waits."""
    context.configure(connection=connection, transaction_per_migration=False)
    with context.begin_transaction():
        connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7235001)")
        context.run_migrations()


async def main() -> None:
    """Connect, run, leave."""
    scheme, _, rest = database().partition("://")
    if scheme not in {"postgres", "postgresql"}:
        raise SystemExit(f"DATABASE_URL: {scheme}:// is no PostgreSQL; write postgresql://user:password@host/database")
    engine = create_async_engine(f"postgresql+asyncpg://{rest}", poolclass=pool.NullPool)
    async with engine.begin() as connection:
        await connection.run_sync(run)
    await engine.dispose()


asyncio.run(main())
