"""The keys as a snapshot holds them: all in it while they are few, otherwise a table and what has changed since."""

from __future__ import annotations

import asyncio
import logging
import secrets
from pathlib import Path

import msgspec

from modelwright.access.keys import live_keys
from modelwright.app.keys.table import find_table, open_table, write_table
from modelwright.core.contracts.snapshot import Key
from modelwright.core.errors.starting import StartError
from modelwright.core.ports.stores import KeyLog, KeyRow
from modelwright.core.wire.key_table import KeyTable

INLINE = 5_000
"""Keys that stand in the snapshot itself; with more, and after as many changes, a table is written."""
SLACK = 10
"""So many times as many changes are told by the snapshot while a table is being written beside."""

log = logging.getLogger("modelwright.control")


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into the snapshot."""

    live: tuple[Key, ...]
    table: str = ""
    gone: tuple[str, ...] = ()
    count: int


class KeySet:
    """All keys of one store; it holds the few that were changed of late, and a table that the system maps."""

    def __init__(self, state: Path, store: KeyLog, *, inline: int = INLINE) -> None:
        self._state = state
        self._store = store
        self._inline = inline
        self._path: Path | None = None
        self._table: KeyTable | None = None
        self._writing: asyncio.Task[None] | None = None
        self._has_looked = False

    async def known(self, *, now: float) -> Known:
        """As of now. Raises OSError, and DBAPIError."""
        await self._look_for_a_table()
        changed = await self._changed(self._inline if self._table is None else self._inline * SLACK)
        if changed is None:
            await self._write()
            changed = await self._changed(self._inline * SLACK) or []
        live = live_keys(changed, now=now)
        if self._table is None:
            return Known(live=live, count=len(live))
        if len(changed) > self._inline and (self._writing is None or self._writing.done()):
            self._writing = asyncio.get_running_loop().create_task(self._write_beside())
        alive = {key.digest for key in live}
        gone = tuple(row.key.digest for row in changed if row.key.digest not in alive)
        held = sum(self._table.get(row.key.digest) is not None for row in changed)
        return Known(live=live, table=str(self._path), gone=gone, count=len(self._table) - held + len(live))

    async def settle(self) -> None:
        """Wait for a table that is being written."""
        if self._writing is not None:
            await self._writing

    async def _changed(self, most: int) -> list[KeyRow] | None:
        """What is not in the table; None when it is too much for a snapshot."""
        found = await self._store.changes(-1 if self._table is None else self._table.mark, most=most)
        if found is None:
            return None
        mark, rows = found
        if self._table is not None and self._table.mark > mark:  # of a database that was put back to an earlier time
            self._path = self._table = None
            return await self._changed(self._inline)
        return rows

    async def _write(self) -> None:
        number = secrets.randbits(62) + 1
        async with self._store.dump() as dump:
            log.info("writing the table of %d keys", dump.count)
            path = await write_table(self._state, dump, number=number)
        try:
            await self._store.remember_table(number)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._table, self._path = open_table(path), path

    async def _write_beside(self) -> None:
        """While changes go on to be told at once; the next snapshot names the new table."""
        try:
            await self._write()
        except Exception:
            log.exception("the table of keys could not be written; what has changed stays in the snapshot")

    async def _look_for_a_table(self) -> None:
        """The one of an earlier run, once: that which the store remembers, since marks are given again after a backup.

        A table that was written after the backup holds keys that the store does not know, or knows to be revoked.
        """
        if self._has_looked:
            return
        number = await self._store.table()
        self._has_looked = True
        path = find_table(self._state, number) if number else None
        if path is None:
            return
        try:
            self._path, self._table = path, open_table(path)
        except StartError as error:
            self._path = None
            log.warning("%s", error)
