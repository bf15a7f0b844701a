"""Each database that the stores run on, new and empty, for tests that must pass on all of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from modelwright.adapters.stores.database import Database, open_database
from modelwright.adapters.stores.postgres import open_postgres
from modelwright.adapters.stores.postgres_address import read_address
from tests.making.postgres_server import PostgresServer

KINDS = ("sqlite", "postgres")
_numbers = itertools.count()


@asynccontextmanager
async def new_database(kind: str, folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """One that stands at the newest migration."""
    if kind == "sqlite":
        database: Database = await open_database(folder / "modelwright.db")
    else:
        server = cast("PostgresServer", request.getfixturevalue("postgres"))
        address = read_address(new_schema(server))
        database = await open_postgres(lambda: address, base=str(folder))
    try:
        yield database
    finally:
        await database.close()
        await asyncio.sleep(0)


def new_schema(server: PostgresServer, *, user: str = "postgres", password: str = "") -> str:
    """The address of a schema that does not exist yet, which is as good as a database of its own."""
    return server.url(user=user, password=password, query=f"options=-csearch_path%3Dtest{next(_numbers)}")
