"""Takes the spool files into the ledger, so that a death at any moment neither loses nor doubles a row.

Rows and the place up to which their file was read are one transaction; a file is deleted after its last one. What is
repeated after a death meets rows that are there already and changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from functools import partial

import msgspec

from modelwright.adapters.stores.spool_reader import Lines, SpoolFile, SpoolReader, read_lines, writer_of
from modelwright.adapters.stores.sql_ledger import SqlLedger
from modelwright.core.contracts.feedback import Feedback
from modelwright.core.contracts.ledger import LedgerRow

log = logging.getLogger("modelwright.ledger")


class Progress(msgspec.Struct):
    """What steps have done so far."""

    rows: int = 0
    """Lines taken in; a call has two."""
    feedback: int = 0
    """Judgements taken in."""
    rejected: int = 0
    """Lines set aside, since they are no rows."""
    unresolved: int = 0
    """Intents whose writer died."""
    files: int = 0
    """Files read to their end and deleted."""


class Ingest:
    """The one reader of the spool."""

    def __init__(self, spool: SpoolReader, ledger: SqlLedger) -> None:
        self._spool = spool
        self._ledger = ledger
        self._offsets: dict[str, int] = {}
        self._begun = False
        self._complained: dict[str, str] = {}
        self._turn = asyncio.Lock()
        self.progress = Progress()

    async def step(self) -> None:
        """Take in all that is there now. Raises DBAPIError, StartError while the database cannot take it."""
        async with self._turn:
            names = self._spool.names()
            if not self._begun:
                await self._begin(names)
            for name in names:
                try:
                    await self._file(name)
                except OSError as error:
                    self._complain(name, error)

    async def _begin(self, names: Collection[str]) -> None:
        offsets = await self._ledger.offsets()
        self.progress.unresolved += await self._ledger.resolve_lost({writer_of(name) for name in names})
        self._offsets, self._begun = offsets, True

    async def _file(self, name: str) -> None:
        file = self._spool.open(name)
        if file is None:
            return
        with file:
            await self._take(file)
            if file.ended:
                await self._finish(name)

    async def _take(self, file: SpoolFile) -> None:
        offset = self._offsets.get(file.name, 0)
        if offset > file.size:  # another file under an old name: what is repeated does no harm
            offset = 0
        while offset < file.size:
            data = file.read(offset)
            lines = read_lines(data, ended=file.ended and offset + len(data) >= file.size)
            if not lines.consumed:
                return
            end = offset + lines.consumed
            if lines.bad:
                self._set_aside(file.name, offset, lines)
            await self._ledger.apply(
                lines.rows,
                said=lines.said,
                file=file.name,
                writer=writer_of(file.name),
                offset=end,
                refuse=partial(self._refuse, file.name, offset),
            )
            self._offsets[file.name] = offset = end
            self.progress.rows += len(lines.rows)
            self.progress.feedback += len(lines.said)

    async def _finish(self, name: str) -> None:
        writer = writer_of(name)
        # Listed again: a writer opens its next file before it lets go of this one.
        others = any(other != name and writer_of(other) == writer for other in self._spool.names())
        self.progress.unresolved += await self._ledger.finish(name, writer=writer, last=not others)
        self._spool.remove(name)
        self._offsets.pop(name, None)
        self._complained.pop(name, None)
        self.progress.files += 1

    def _set_aside(self, name: str, offset: int, lines: Lines) -> None:
        kept = self._spool.set_aside(name, offset, lines.bad)
        self.progress.rejected += len(lines.bad)
        log.warning(
            "%d of %d lines of %s after byte %d are no ledger rows (%s); kept in %s",
            len(lines.bad), len(lines.bad) + len(lines.rows), name, offset, lines.problem, kept,
        )  # fmt: skip

    def _refuse(self, name: str, offset: int, refused: Sequence[LedgerRow | Feedback]) -> None:
        """What reads well but no database can hold, such as a count past 64 bits."""
        lines = [msgspec.json.encode(line) for line in refused]
        kept = self._spool.set_aside(name, offset, lines, kind="refused")
        self.progress.rejected += len(lines)
        log.warning("the database refuses %d rows of %s after byte %d; kept in %s", len(lines), name, offset, kept)

    def _complain(self, name: str, error: OSError) -> None:
        """Once per file and problem: the loop comes by twice a second."""
        problem = str(error)
        if self._complained.get(name) != problem:
            self._complained[name] = problem
            log.warning("%s cannot be taken into the ledger now (%s); it is tried again", name, problem)
