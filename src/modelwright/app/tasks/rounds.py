"""Looks for work again and again, at once when it is woken, and does what it finds side by side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from modelwright.core.contracts.tasks import TaskRules
from modelwright.core.errors.tree import ModelwrightError

TICK = 0.5
"""Seconds between two looks."""
TROUBLE = (SQLAlchemyError, ModelwrightError, OSError)
"""What may be wrong for a while: the database, another process, a file."""

log = logging.getLogger("modelwright.tasks")


class Rounds:
    """The pulse of whoever works on tasks."""

    def __init__(self, look: Callable[[TaskRules], Awaitable[None]], *, what: str) -> None:
        """`look` is one round; `what` says in a log line what cannot be done when it fails."""
        self.rules: TaskRules | None = None
        """As the manifest has them now; None: nothing is looked for."""
        self.works: dict[str, asyncio.Task[None]] = {}
        """Under way, by task."""
        self._look = look
        self._what = what
        self._trouble = ""
        self._woken = asyncio.Event()
        self._enough = False

    async def run(self) -> None:
        """Until `finish`; what is under way then is cut off."""
        while not self._enough:
            self._woken.clear()
            if self.rules is not None:
                await self._tried(self.rules)
            try:
                await asyncio.wait_for(self._woken.wait(), TICK)
            except TimeoutError:
                continue
        for work in self.works.values():
            work.cancel()
        await asyncio.gather(*self.works.values(), return_exceptions=True)

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Work on a task beside the others; its end wakes the rounds."""
        started = self.works[name] = asyncio.get_running_loop().create_task(work)
        started.add_done_callback(lambda _: self._ended(name))

    def wake(self) -> None:
        """Look at once."""
        self._woken.set()

    def finish(self) -> None:
        """`run` ends."""
        self._enough = True
        self._woken.set()

    def _ended(self, name: str) -> None:
        del self.works[name]
        self._woken.set()

    async def _tried(self, known: TaskRules) -> None:
        """Trouble is told once, and so is its end."""
        trouble = ""
        try:
            await self._look(known)
        except (*TROUBLE, ValueError) as error:  # a secret that is none, too
            trouble = told(error)
        except Exception:
            log.exception("%s, by a mistake of ours", self._what)
        if trouble and trouble != self._trouble:
            log.error("%s now, none is lost; it is tried again: %s", self._what, trouble)
        elif self._trouble and not trouble:
            log.info("it is not so any more that %s", self._what)
        self._trouble = trouble


def told(error: Exception) -> str:
    """In the words of the database, where it is one of its errors."""
    return str(getattr(error, "orig", None) or error)
