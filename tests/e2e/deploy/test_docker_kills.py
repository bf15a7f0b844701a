"""Whoever deploys is killed after each entry of the journal; another process ends it in the new or the old release."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from modelwright.core.deploying.journal import Begun
from tests.e2e.deploy.killed import Case
from tests.making.docker_host.engine import Engine
from tests.making.docker_target import Carried, Hold, held

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[3]
SIDE_BY_SIDE = 3
"""Environments, each with its share of the cases."""


async def test_killed_after_any_entry_it_ends_whole(
    docker_engine: Engine, docker_project: str, keeper_image: str, tmp_path: Path
) -> None:
    async def share(number: int) -> list[tuple[int, str]]:
        contents = Carried()
        async with held(
            docker_engine.url, docker_project, f"e{number}", keeper=keeper_image, contents=contents
        ) as hold:
            assert await hold.deploy(hold.quick("v0"), "r0") == "deployed"
            last = await entries_of_a_deploy(hold)
            return [
                (entries, await killed_after(entries, hold, docker_engine.url, tmp_path))
                for entries in range(1 + number, last, SIDE_BY_SIDE)
            ]

    found = dict(pair for pairs in await asyncio.gather(*map(share, range(SIDE_BY_SIDE))) for pair in pairs)
    assert [*sorted(found)] == [*range(1, max(found) + 1)]
    assert {*found.values()} == {"deployed", "undone"}


async def entries_of_a_deploy(hold: Hold) -> int:
    """One that is not disturbed; the last of them ends it."""
    before = len(hold.told)
    assert await hold.deploy(hold.quick("v1"), "r1") == "deployed"
    return len(hold.told) - before


async def killed_after(entries: int, hold: Hold, url: str, folder: Path) -> str:
    """What becomes of it; each second one is given up, unless it is too late for that."""
    before = (await hold.target.observer.observe()).current
    plan = await hold.plan(hold.quick(f"killed after {entries}"), f"k{entries}")
    case = Case(url=url, plan=plan, contents=hold.contents.by_digest, entries=entries)
    file = folder / f"{plan.environment}-{entries}.json"
    await asyncio.to_thread(file.write_bytes, msgspec.json.encode(case))
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.e2e.deploy.killed", file, cwd=ROOT)
    assert await process.wait() == -signal.SIGKILL
    lease = (await hold.environment.memory()).lease
    assert lease is not None
    assert lease.owner == "eve on lap"
    await hold.target.leases.leave(lease)  # it would run out; the contract of leases shows that
    begun = next(entry for entry in await hold.target.journal.entries() if isinstance(entry, Begun))
    assert begun.plan == plan
    outcome = await (hold.carrier.abort() if entries // SIDE_BY_SIDE % 2 else hold.carrier.resume())
    serves = plan.release if outcome == "deployed" else before
    seen = await hold.target.observer.observe()
    assert (seen.current, seen.traffic) == (serves, {"all": {serves: 100}})
    assert [(one.release, one.state) for one in seen.instances] == [(serves, "ready")]
    desired = next(one.desired for one in seen.releases if one.name == serves)
    assert (await hold.plan(desired, serves)).steps == ()
    return str(outcome)
