"""Does the steps of a deploy on a Docker host: as everywhere, with the engine's errors in our words."""

from __future__ import annotations

from docker.errors import APIError

from modelwright.adapters.targets.docker.engine import failed
from modelwright.adapters.targets.doing.hands import StepHands
from modelwright.core.deploying.naming import named
from modelwright.core.deploying.steps import Step


class DockerHands(StepHands):
    """Of one environment."""

    async def holds(self, step: Step) -> bool:
        try:
            return await super().holds(step)
        except APIError as error:
            raise failed(named(step), error) from error

    async def do(self, step: Step) -> None:
        try:
            await super().do(step)
        except APIError as error:
            raise failed(named(step), error) from error

    async def undo(self, step: Step) -> None:
        try:
            await super().undo(step)
        except APIError as error:
            raise failed(f"undo {named(step)}", error) from error
