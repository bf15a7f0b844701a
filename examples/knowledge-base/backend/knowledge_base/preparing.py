"""Gets ready: the database is there with its tables, and the passages of this edition with their vectors."""

import asyncio
import logging

from knowledge_base.answering import FAULTS
from knowledge_base.corpus import Passage
from knowledge_base.gateway import Gateway
from knowledge_base.store import Store

_AGAIN = 1.0
_log = logging.getLogger("knowledge_base")


class Preparing:
    """Says what it waits for; empty once nothing is missing."""

    def __init__(self, store: Store, gateway: Gateway, *, edition: str, passages: list[Passage]) -> None:
        self._store = store
        self._gateway = gateway
        self._edition = edition
        self._passages = passages
        self.missing = "starting"

    async def run(self) -> None:
        """Until nothing is missing."""
        while True:
            missing = await self._look()
            if missing != self.missing:
                _log.warning("not ready: %s", missing) if missing else _log.info("ready")
            self.missing = missing
            if not missing:
                return
            await asyncio.sleep(_AGAIN)

    async def _look(self) -> str:
        try:
            if lacking := await self._store.lacking():
                return lacking
            if await self._store.has(self._edition):
                return ""
        except FAULTS as error:
            return f"PostgreSQL does not answer ({error}): see DATABASE_URL"
        try:
            made = await self._gateway.vectors([passage.whole for passage in self._passages])
            await self._store.keep(self._edition, self._passages, made.vectors)
        except FAULTS as error:
            return f"no vectors for the passages yet ({error}): see GATEWAY_URL, GATEWAY_KEY and EMBEDDINGS_MODEL"
        return ""
