"""Answers questions that come over a Unix socket, a line each; gives the edge its configuration back at the start."""

from __future__ import annotations

import asyncio
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from modelwright.adapters.targets.folder.leases import LASTS
from modelwright.adapters.targets.folder.state import State
from modelwright.adapters.targets.wire import Asked, Told, fault_of
from modelwright.app.deploying.edges import StandingEdge, front_in
from modelwright.app.keeper.answering import Answering
from modelwright.app.keeper.certificates import keep_certificates
from modelwright.app.keeper.edges import edge_beside
from modelwright.app.system import SystemClock
from modelwright.core.deploying.front import Front
from modelwright.core.errors.deploying import DeployError, StepFailed
from modelwright.core.errors.tree import ModelwrightError

if TYPE_CHECKING:
    from modelwright.adapters.targets.local.keeping import Keeping

_ASKED = msgspec.json.Decoder(Asked)
_NEWER = "the keeper is of another version: deploy when nobody else does, and it is replaced"
_FAILED = "see the keeper's log and whether its disk has room, then go on with `modelwright resume`"
_LARGEST = 1 << 26
"""Bytes of a line: a plan with all that it describes, or a piece of a file."""


async def serve(
    state: Path,
    edge: Path,
    *,
    instances: Path,
    socket: Path,
    lasts: float = LASTS,
    beside: Callable[[Path, Front], StandingEdge] = edge_beside,
    keeping: Keeping | None = None,
) -> None:
    """Until it is asked to end. `edge` is the folder that it shares with the edge, `instances` that with monitors.

    `keeping`: processes that are its own: they end with it, but for SIGHUP, which leaves them to the next keeper.
    """
    memory = State(state, clock=SystemClock(), lasts=lasts)
    answering = Answering(memory, partial(beside, edge), instances=instances, keeping=keeping)
    await _restore(answering)
    ended, left = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    if keeping is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: (left.set(), ended.set()))
        keeping.published = lambda: memory.front().publish
        await keeping.begin()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Client(answering, writer).listen(reader)

    server = await asyncio.start_unix_server(answer, socket, limit=_LARGEST)
    certificates = asyncio.create_task(keep_certificates(edge, state, lambda: beside(edge, front_in(edge))))
    try:
        await ended.wait()
    finally:
        certificates.cancel()
        server.close()
        if keeping is not None:
            await keeping.leave(ended=not left.is_set())


async def _restore(answering: Answering) -> None:
    """An edge that cannot be told is told at the next change; the memory is there whatever it says."""
    try:
        await answering.restore()
    except ModelwrightError as error:
        sys.stderr.write(f"{error}\n")


class _Client:
    """One who asks; his questions are answered side by side."""

    def __init__(self, answering: Answering, writer: asyncio.StreamWriter) -> None:
        self._answering = answering
        self._writer = writer
        self._running = set[asyncio.Task[None]]()

    async def listen(self, reader: asyncio.StreamReader) -> None:
        """Until he goes; what he has asked for and is still being done is done."""
        with suppress(OSError, ValueError):
            while line := await reader.readline():
                task = asyncio.create_task(self._one(line))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
        if self._running:
            await asyncio.wait(self._running)
        self._writer.close()

    async def _one(self, line: bytes) -> None:
        try:
            asked = _ASKED.decode(line)
            answer = await self._answering.answer(asked.question)
            told = Told(number=asked.number, answer=msgspec.Raw(msgspec.json.encode(answer)))
        except ModelwrightError as error:
            told = Told(number=_number(line), error=fault_of(error))
        except msgspec.DecodeError as error:
            words = f"the keeper does not understand the question: {error}"
            told = Told(number=_number(line), error=fault_of(DeployError(words, hint=_NEWER)))
        except Exception as error:  # noqa: BLE001 - whoever asks waits for an answer
            sys.stderr.write(traceback.format_exc())
            words = f"the keeper failed: {error!r}"
            told = Told(number=_number(line), error=fault_of(StepFailed(words, hint=_FAILED)))
        with suppress(OSError):
            self._writer.write(msgspec.json.encode(told) + b"\n")
            await self._writer.drain()


class _Numbered(msgspec.Struct):
    number: int = -1


def _number(line: bytes) -> int:
    """Of a question, whether it can be understood or not."""
    try:
        return msgspec.json.decode(line, type=_Numbered).number
    except msgspec.DecodeError:
        return -1
