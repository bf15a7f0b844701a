"""What control does again and again beside its door: it takes the spool in, and writes a snapshot that is owed."""

from __future__ import annotations

import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from modelwright.adapters.stores.ingest import Ingest
from modelwright.app.admin.publish import Publisher
from modelwright.core.errors import ModelwrightError

TICK = 0.5
"""Seconds between two rounds."""

log = logging.getLogger("modelwright.control")


class Chores:
    """One round after the other; what cannot be done now is tried in the next, and told once."""

    def __init__(self, ingest: Ingest, publisher: Publisher) -> None:
        self.trouble = ""
        """Why the last round came to nothing; empty when it did not."""
        self._ingest = ingest
        self._publisher = publisher
        self._enough = asyncio.Event()

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
        try:
            await self._ingest.step()
            if self._publisher.behind:
                await self._publisher.publish()
        except (SQLAlchemyError, OSError, ModelwrightError) as error:
            self._tell(f"{type(error).__name__}: {getattr(error, 'orig', None) or error}")
        except Exception as error:
            if self.trouble != repr(error):
                log.exception("a round failed; it is tried again")
            self.trouble = repr(error)
        else:
            if self.trouble:
                log.info("the database takes rows again")
            self.trouble = ""

    def _tell(self, trouble: str) -> None:
        if self.trouble != trouble:
            log.error("the ledger cannot be taken in now, nothing is lost; it is tried again: %s", trouble)
        self.trouble = trouble
