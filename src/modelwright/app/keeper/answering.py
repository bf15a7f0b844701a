"""What a keeper answers: from its memory, from the edge, and from the instances themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from modelwright.adapters.edges.files import write
from modelwright.adapters.targets.folder.state import State
from modelwright.adapters.targets.kept import Direct, Listing, Mask, Passed, Probe, Question, Streams, discovered
from modelwright.app.keeper.probing import probe
from modelwright.core.deploying.places import INSTANCES_FILE
from modelwright.core.ports.deploying.edges import Edge


class Answering:
    """Of one environment."""

    def __init__(self, state: State, edge: Callable[[str], Edge], *, instances: Path) -> None:
        """`edge`: the one of a kind; `instances`: a folder that monitors read."""
        self._state = state
        self._edge = edge
        self._instances = instances / INSTANCES_FILE
        self._directing = asyncio.Lock()

    async def answer(self, question: Question) -> object:
        """Raises what the port raises that the question belongs to."""
        match question:
            case Probe():
                return await asyncio.to_thread(probe, question, self._state.files)
            case Streams(workload=workload, release=release):
                return await self._edge(self._state.front().kind).open_streams(workload, release)
            case Passed(since=since):
                return await self._edge(self._state.front().kind).seen(since)
            case Mask(text=text):
                return await asyncio.to_thread(self._state.files.masked, text)
            case Direct():
                return await self._direct(question)
            case Listing():
                return await asyncio.to_thread(self._list, question)
            case _:
                return await asyncio.to_thread(self._state.answer, question)

    async def restore(self) -> None:
        """What the edge was told last, it is told again. Raises StepFailed."""
        front = self._state.front()
        if front.routes:
            await self._edge(front.kind).configure(front)

    async def _direct(self, question: Direct) -> None:
        """The edge first: what is remembered is what it does."""
        async with self._directing:
            await asyncio.to_thread(self._state.fence, question.epoch)
            await self._edge(question.front.kind).configure(question.front)
            await asyncio.to_thread(self._state.answer, question)

    def _list(self, question: Listing) -> None:
        """Where monitors look, too: they notice that the file has changed."""
        self._state.answer(question)
        write(self._instances, discovered(question.instances).decode())
