"""A program that carries out a plan and kills itself after so many entries of the journal.

usage: killed.py FILE   with the JSON of a Case
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec

from modelwright.adapters.targets.docker.names import Names
from modelwright.adapters.targets.docker.target import docker_target
from modelwright.app.system import SystemClock
from modelwright.core.deploying.steps import Plan
from modelwright.deploy.carrying import Author, Carrier
from tests.making.docker_target import Carried


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is done, and how far."""

    url: str
    plan: Plan
    contents: dict[str, bytes]
    entries: int


async def main(case: Case) -> None:
    contents = Carried()
    contents.by_digest = case.contents
    left = case.entries

    def tell(_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    names, clock = Names(case.plan.project, case.plan.environment), SystemClock()
    async with docker_target(case.url, names, contents=contents, clock=clock) as (target, _):
        await Carrier(target, Author(who="eve", where="lap"), clock=clock, tell=tell).deploy(case.plan)


if __name__ == "__main__":
    asyncio.run(main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Case)))
