"""Deploys a second release to an environment, and is killed by its own hand when it is about to do one of the steps."""

import asyncio
import os
import signal
import sys

from modelwright.app.system import SystemClock
from modelwright.core.deploying.journal import Entry, Taken
from modelwright.core.errors.deploying import LeaseHeld
from modelwright.deploy.carrying import Author, Carrier
from tests.making.docker_target import held


async def main(url: str, project: str, environment: str, keeper: str, before: str) -> None:
    async with held(url, project, environment, keeper=keeper) as hold:
        plan = await hold.plan(hold.quick("v2"), "r2")

        def tell(entry: Entry | LeaseHeld) -> None:
            if isinstance(entry, Taken) and type(plan.steps[entry.number]).__name__ == before:
                os.kill(os.getpid(), signal.SIGKILL)

        carrier = Carrier(hold.target, Author(who="bob", where="bus"), clock=SystemClock(), tell=tell)
        await carrier.deploy(plan)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
