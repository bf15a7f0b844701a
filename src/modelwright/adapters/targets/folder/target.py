"""The memory of an environment in a folder of this machine, asked without holding up whoever asks."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, TypeVar

from modelwright.adapters.targets.folder.leases import LASTS
from modelwright.adapters.targets.folder.state import State
from modelwright.core.ports.clock import Clock

Answer = TypeVar("Answer")


class AskFolder:
    """An `Ask`."""

    def __init__(self, folder: Path, *, clock: Clock, lasts: float = LASTS) -> None:
        self._state = State(folder, clock=clock, lasts=lasts)

    async def __call__(self, question: Any, answer: type[Answer]) -> Answer:
        return await asyncio.to_thread(self._state.answer, question)
