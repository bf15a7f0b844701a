"""What tests of the V2 door share: doors over the toy engine, stopped at the end."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from modelwright.core.contracts.events import Event
from modelwright.core.ports.clock import ManualClock
from modelwright.core.ports.engines import EngineConfig
from modelwright.serving.http_v2 import TensorModel, V2Door
from tests.unit.serving.machines import NotedToy, toy_config
from tests.unit.serving.v2_client import Make


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    doors: list[V2Door] = []

    async def made(engine: NotedToy | None = None, *, start: bool = True, **more: Any) -> V2Door:
        config: EngineConfig = more.pop("config", None) or toy_config(tmp_path)
        clock: ManualClock = more.pop("clock", None) or ManualClock()
        model = TensorModel(config=config, engine="toy-tensor", **more)
        told: list[Event] = []
        door = V2Door(model, engine or NotedToy(), clock=clock, tell=told.append)
        doors.append(door)
        if start:
            await door.start()
        return door

    yield made
    for door in doors:
        await door.stop()
