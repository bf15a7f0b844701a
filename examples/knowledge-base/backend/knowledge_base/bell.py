"""Wakes whoever waits for an answer when some process has written more of it; PostgreSQL carries the news."""

import asyncio
import contextlib
import logging
from collections import defaultdict
from typing import Any
from uuid import UUID

import asyncpg

from knowledge_base.store import CHANNEL

PATIENCE = 1.0
"""Seconds after which who waits looks by himself: news are lost while PostgreSQL is away."""
_log = logging.getLogger("knowledge_base")


class Bell:
    """One connection per process, made again when it breaks."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._waiting: dict[UUID, set[asyncio.Event]] = defaultdict(set)

    async def listen(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                connection = await asyncpg.connect(self._database)
                broken = asyncio.Event()
                connection.add_termination_listener(lambda *_, event=broken: event.set())
                await connection.add_listener(CHANNEL, self._ring)
                try:
                    await broken.wait()
                finally:
                    connection.terminate()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                _log.warning("no news from PostgreSQL: %s", error)
            await asyncio.sleep(PATIENCE)

    @contextlib.contextmanager
    def heard(self, question: UUID) -> Any:
        """An event that is set whenever the answer has changed."""
        event = asyncio.Event()
        self._waiting[question].add(event)
        try:
            yield event
        finally:
            self._waiting[question].discard(event)
            if not self._waiting[question]:
                del self._waiting[question]

    def _ring(self, *news: Any) -> None:
        with contextlib.suppress(ValueError):
            for event in self._waiting.get(UUID(news[-1]), ()):
                event.set()
