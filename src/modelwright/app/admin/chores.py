"""What control does again and again beside its door: a snapshot that is owed, a sign of life, the spool taken in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import SQLAlchemyError

from modelwright.adapters.stores.ingest import Ingest
from modelwright.app.admin.publish import Publisher
from modelwright.core.errors.tree import ModelwrightError

TICK = 0.5
"""Seconds between two rounds."""

log = logging.getLogger("modelwright.control")


class Chores:
    """One round after the other; what cannot be done now is tried in the next, and told once."""

    def __init__(
        self,
        ingest: Ingest,
        publisher: Publisher,
        *,
        check: Callable[[], Awaitable[None]],
        beat: Callable[[], None],
    ) -> None:
        """`check` raises when the database is not there or cannot be read; `beat` tells the gateways that it is."""
        self.trouble = ""
        """Why the last round came to nothing; empty when it did not."""
        self._check = check
        self._beat = beat
        self._ingest = ingest
        self._publisher = publisher
        self._enough = asyncio.Event()
        self._defect: Exception | None = None
        """Of this round: a mistake of ours, whose place the log shall name."""

    async def run(self) -> None:
        """Until `finish`."""
        while not self._enough.is_set():
            await self.round()
            try:
                await asyncio.wait_for(self._enough.wait(), TICK)
            except TimeoutError:
                continue

    def finish(self) -> None:
        """`run` ends after the present round."""
        self._enough.set()

    async def round(self) -> None:
        """Do what there is to do; never raises what another round may mend."""
        self._defect = None
        troubles = [await self._tried(task) for task in (self._keep_keys_known, self._ingest.step)]
        trouble = "; ".join(dict.fromkeys(filter(None, troubles)))
        if trouble and trouble != self.trouble:
            words = "keys and ledger rows cannot be taken in now, nothing is lost; it is tried again: %s"
            log.error(words, trouble, exc_info=self._defect)
        elif self.trouble and not trouble:
            log.info("the database takes rows again")
        self.trouble = trouble

    async def _keep_keys_known(self) -> None:
        """Write the snapshot that is owed, also for what other hosts did; tell the gateways that it holds every key."""
        await self._check()
        if await self._publisher.is_behind():
            await self._publisher.publish()
        self._beat()

    async def _tried(self, task: Callable[[], Awaitable[object]]) -> str:
        """What went wrong."""
        try:
            await task()
        except (SQLAlchemyError, OSError, ModelwrightError) as error:
            return f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"
        except Exception as error:  # noqa: BLE001 - the round's line tells of it, with its place
            self._defect = error
            return repr(error)
        return ""
