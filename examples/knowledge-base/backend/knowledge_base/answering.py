"""Makes the answers: takes questions that wait, and writes down what is said as it is said.

Whoever asks only reads what is written. So an answer goes on when its reader leaves, a reader goes on where it was cut
off, and when this process dies, another one makes the answer anew.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

import asyncpg
import openai

from knowledge_base.gateway import Gateway, ModelOff, Vectors
from knowledge_base.quoting import Source, asked, chosen, language_of, quoted
from knowledge_base.store import HELD, Store, Taken, Work

ATTEMPTS = 5
"""The last of so many does without the language model; when it fails too, whoever asked may ask for as many again."""
_AT_ONCE = 16
_FLUSH = 0.05
"""Seconds between two writes of one answer: what readers see is never older."""
_LOOK = 1.0
FAULTS = (openai.OpenAIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What passes by itself: the gateway or the database is away for a moment."""
_log = logging.getLogger("knowledge_base")


class Answering:
    """One per process."""

    def __init__(self, store: Store, gateway: Gateway, *, edition: str, near: float) -> None:
        self._store = store
        self._gateway = gateway
        self._edition = edition
        self._near = near
        self._work: set[asyncio.Task[None]] = set()
        self.asked = asyncio.Event()
        """Set by whoever has written a question down."""

    async def run(self) -> None:
        """Until it is cancelled; what was begun then goes on, see `finish`."""
        while True:
            self.asked.clear()
            try:
                while len(self._work) < _AT_ONCE and (work := await self._store.take()):
                    task = asyncio.create_task(self._make(work))
                    self._work.add(task)
                    task.add_done_callback(self._work.discard)
                for said in await self._store.untold():
                    await self._gateway.judge(said["call"], said["score"])
                    await self._store.told(said["question"], said["score"])
            except FAULTS as error:
                _log.warning("waiting: %s", error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.asked.wait(), _LOOK)

    async def finish(self, seconds: float) -> None:
        """End what was begun; what takes longer is left to another process at once."""
        if self._work:
            _, late = await asyncio.wait(self._work, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _make(self, work: Work) -> None:
        holding = asyncio.create_task(self._hold(work))
        try:
            await self._answer(work)
        except Taken:
            _log.info("answer %s is made elsewhere", work.question)
        except asyncio.CancelledError:
            with contextlib.suppress(*FAULTS, Taken):
                await asyncio.shield(self._store.release(work, seconds=0))
            raise
        except FAULTS as error:
            _log.warning("answer %s, attempt %d: %s", work.question, work.attempt, error)
            with contextlib.suppress(*FAULTS, Taken):
                if work.attempt % ATTEMPTS:
                    await self._store.release(work, seconds=work.attempt)
                else:
                    await self._store.end(work, state="failed", call="")
        finally:
            holding.cancel()

    async def _hold(self, work: Work) -> None:
        """Say that it is still being made, as long as no word comes."""
        while True:
            await asyncio.sleep(HELD / 3)
            with contextlib.suppress(*FAULTS, Taken):
                await self._store.hold(work)

    async def _answer(self, work: Work) -> None:
        history = await self._store.history(work)
        found, sources = await self._search(work.text, before=history[-1].question if history else "")
        language = language_of(work.text)
        call, words = "", None
        away = False
        if sources and await self._gateway.lists_model() and work.attempt % ATTEMPTS:
            try:
                call, words = await self._gateway.said(asked(work.text, sources, history))
            except ModelOff:
                pass
            except openai.OpenAIError as error:
                _log.warning("the language model does not answer: %s", error)
                away = True
        away = away or not work.attempt % ATTEMPTS
        if words is None:
            call = found.call
            words = _each(quoted(sources, language=language, away=away))
            kind, notice = ("quotes", "away" if away else "no_model") if sources else ("nothing", "")
        else:
            kind, notice = "model", ""
        await self._store.begin(work, kind=kind, notice=notice, sources=sources)
        await self._write(work, words)
        await self._store.end(work, state="done", call=call)

    async def _search(self, text: str, *, before: str) -> tuple[Vectors, list[Source]]:
        """Passages for a question; one that says little alone is looked for together with the one before it."""
        language = language_of(text)
        found = await self._gateway.vectors([text, f"{before} {text}"])
        for vector in found.vectors:
            near = await self._store.nearest(self._edition, vector)
            if sources := chosen(near, language=language, near=self._near):
                return found, sources
        return found, []

    async def _write(self, work: Work, words: AsyncIterator[str]) -> None:
        """Words as they come, in few writes, and none held back when no more come."""
        at, waiting, written = 0, "", 0.0
        coming = asyncio.create_task(_next(words))
        try:
            while waiting or not coming.done() or coming.result() is not None:
                due = max(0.0, written + _FLUSH - time.monotonic()) if waiting else None
                await asyncio.wait({coming}, timeout=due)
                if coming.done() and (word := coming.result()) is not None:
                    waiting += word.replace("\0", "")
                    coming = asyncio.create_task(_next(words))
                if waiting and (time.monotonic() >= written + _FLUSH or (coming.done() and coming.result() is None)):
                    await self._store.add(work, waiting, at=at)
                    at, waiting, written = at + len(waiting), "", time.monotonic()
        finally:
            coming.cancel()


async def _next(words: AsyncIterator[str]) -> str | None:
    return await anext(words, None)


async def _each(pieces: list[str]) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece
