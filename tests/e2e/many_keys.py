"""A database with very many keys, made without waiting for as many commands."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from modelwright.app.admin.store import DATABASE, open_store
from modelwright.core.keys import compose_key, key_digest

PEPPER = "pepper-of-many-keys"


def key_of(number: int) -> tuple[str, str]:
    """Id and text of a key."""
    return compose_key(number.to_bytes(5, "big") + number.to_bytes(24, "big"))


def fill(state: Path, number: int) -> None:
    """Put so many live keys into a new database, of a thousand tenants."""

    async def make() -> None:
        store = await open_store(state, patience=1)
        await store.close()

    asyncio.run(make())
    with closing(sqlite3.connect(state / DATABASE)) as connection, connection:
        connection.executemany(
            "INSERT INTO keys (id, digest, name, tenant, role, created, changed) VALUES (?, ?, ?, ?, 'client', 1.0, ?)",
            _rows(number),
        )


def _rows(number: int) -> Iterator[tuple[str, str, str, str, int]]:
    for each in range(number):
        key_id, text = key_of(each)
        digest = key_digest(PEPPER.encode(), text)
        yield key_id, digest, f"key-{each}", f"tenant-{each % 1000}", each + 1
