"""What control does at its end."""

import asyncio
from pathlib import Path

from modelwright.app.admin.store import open_store
from modelwright.app.keys.given import GivenKeys
from modelwright.app.parts import PartSpec
from modelwright.app.settings.settings import Settings
from modelwright.app.system import SystemClock
from modelwright.app.tasks.assemble import Tasks
from modelwright.app.workers import control
from modelwright.app.workers.upstream_tls import upstream_tls
from modelwright.core.contracts.events import Event


async def test_the_database_is_closed_also_when_a_task_had_failed(tmp_path: Path) -> None:
    async def fail() -> None:
        raise RuntimeError("a mistake of ours")

    tls = upstream_tls(Settings(tmp_path, environment="test", state=tmp_path), tmp_path)
    spec = PartSpec(
        name="control", kind="control", runtime=str(tmp_path), state=str(tmp_path), base=str(tmp_path),
        environment="test",
    )  # fmt: skip
    store, clock = await open_store(tmp_path, patience=0.0), SystemClock()
    told: list[Event] = []
    keys, present = store.keys, store.hosts.present
    tasks = Tasks(
        store.tasks, tmp_path, keys=keys, host="", present=present, tls=tls, resolve=str, clock=clock, emit=told.append
    )
    given = GivenKeys(keys, pepper=b"", resolve=str, clock=clock)
    run = control._Run(store, spec, clock=clock, tls=tls, tasks=tasks, given=given)
    run.begin()
    run._tasks = (*run._tasks, asyncio.create_task(fail()))
    await asyncio.wait_for(run.end(), 20)
    again = await open_store(tmp_path, patience=0.0)
    await again.close()
