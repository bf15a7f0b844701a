"""Replicas that should be there and cannot be started."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from modelwright.app.supervise.fleet.shepherd import AFTER_FAILURE, Shepherd
from modelwright.core.ports.clock import ManualClock
from modelwright.core.scaling import ScaleRule


class Pen:
    """One replica, and no room for another one."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.reason = "no GPU is free"

    def scaled(self) -> dict[str, ScaleRule]:
        return {"digits": ScaleRule(least=2, most=3)}

    def ready(self, name: str) -> Sequence[Path]:
        return [Path("/nowhere/digits-0.sock")] if name == "digits" else []

    async def resize(self, name: str, to: int) -> str:
        self.asked.append(to)
        return self.reason


async def until(count: int, pen: Pen, clock: ManualClock) -> None:
    while len(pen.asked) < count:
        clock.advance(AFTER_FAILURE)
        await asyncio.sleep(0.001)


def test_why_there_are_too_few_is_said_once_for_each_reason() -> None:
    async def watched() -> list[str]:
        pen, clock, said = Pen(), ManualClock(), list[str]()
        run = asyncio.create_task(Shepherd(pen, clock=clock, say=said.append, look=0.001).run())
        await until(3, pen, clock)
        pen.reason = "its file is gone"
        await until(len(pen.asked) + 2, pen, clock)
        run.cancel()
        assert {*pen.asked} == {2}
        return said

    assert asyncio.run(watched()) == [
        "digits should have 2 replicas, and has 1: no GPU is free",
        "digits should have 2 replicas, and has 1: its file is gone",
    ]
