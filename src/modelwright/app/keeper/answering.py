"""What a keeper answers: from its memory, from the edge, and from the instances themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.adapters.edges.files import write
from modelwright.adapters.targets.folder.state import State
from modelwright.adapters.targets.kept import Direct, Listing, Mask, Passed, Probe, Question, Streams, discovered
from modelwright.adapters.targets.processes import Begin, End, OfProcesses, Processes, Said
from modelwright.app.keeper.probing import probe
from modelwright.core.deploying.front import Front
from modelwright.core.deploying.places import INSTANCES_FILE
from modelwright.core.errors.deploying import DeployError
from modelwright.core.ports.deploying.edges import Edge

if TYPE_CHECKING:
    from modelwright.adapters.targets.local.keeping import Keeping


class Answering:
    """Of one environment."""

    def __init__(
        self, state: State, edge: Callable[[Front], Edge], *, instances: Path, keeping: Keeping | None = None
    ) -> None:
        """`edge`: the one for a front; `instances`: a folder that monitors read; `keeping`: processes, where a keeper
        has any.
        """
        self._state = state
        self._edge = edge
        self._instances = instances / INSTANCES_FILE
        self._keeping = keeping
        self._directing = asyncio.Lock()

    async def answer(self, question: Question | OfProcesses) -> object:
        """Raises what the port raises that the question belongs to."""
        match question:
            case Probe():
                return await asyncio.to_thread(probe, question, self._state.files)
            case Streams(workload=workload, release=release):
                return await self._edge(self._state.front()).open_streams(workload, release)
            case Passed(since=since):
                return await self._edge(self._state.front()).seen(since)
            case Mask(text=text):
                return await asyncio.to_thread(self._state.files.masked, text)
            case Direct():
                return await self._direct(question)
            case Listing():
                return await asyncio.to_thread(self._list, question)
            case Begin() | End() | Processes() | Said():
                return await self._of_processes(question)
            case _:
                return await asyncio.to_thread(self._state.answer, question)

    async def restore(self) -> None:
        """What the edge was told last, it is told again. Raises StepFailed."""
        front = self._state.front()
        if front.routes:
            await self._edge(front).configure(front)

    async def _direct(self, question: Direct) -> None:
        """The edge first: what is remembered is what it does."""
        async with self._directing:
            await asyncio.to_thread(self._state.fence, question.epoch)
            await self._edge(question.front).configure(question.front)
            await asyncio.to_thread(self._state.answer, question)

    def _list(self, question: Listing) -> None:
        """Where monitors look, too: they notice that the file has changed."""
        self._state.answer(question)
        write(self._instances, discovered(question.instances).decode())

    async def _of_processes(self, question: OfProcesses) -> object:
        if self._keeping is None:
            raise DeployError("the keeper has no processes", hint="ask the one of a target of kind local")
        if isinstance(question, Begin | End):
            await asyncio.to_thread(self._state.fence, question.epoch)
        return await self._keeping.answer(question)
