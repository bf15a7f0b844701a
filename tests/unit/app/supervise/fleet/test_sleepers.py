"""Models that their first call starts, and that cannot be started."""

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from modelwright.app.supervise.fleet.bell import Bell
from modelwright.app.supervise.fleet.sleepers import LONGEST_REST, Sleepers


async def test_one_that_is_called_for_weeks_in_vain_is_tried_again_and_again(tmp_path: Path) -> None:
    async def wake(_name: str) -> str:
        return "there is no file"

    async def told() -> None:
        pass

    def spawn(work: Coroutine[Any, Any, None]) -> None:
        work.close()

    sleepers = Sleepers(wake=wake, is_away=lambda *_: True, told=told, spawn=spawn)
    sleepers.bells["m"] = Bell(tmp_path / "m.sock")
    reasons: list[str] = []
    for _ in range(5000):
        await sleepers._answer("m")
        reasons.append(sleepers.refused()["m"])
        sleepers._resting.pop("m").cancel()
    rests = [float(reason.partition(" s tries")[0].rpartition(" ")[2]) for reason in reasons]
    assert rests[:4] == [2, 4, 8, 16]
    assert rests[-1] == LONGEST_REST
    sleepers.recovered("m")
    await sleepers._answer("m")
    assert "after 2 s" in sleepers.refused()["m"]
    sleepers.hush()
