"""Runners on two hosts that share one store: a task is run by one of them, and by the other when that is gone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy.exc import OperationalError

from modelwright.adapters.http.fake import FakeTransport, Scripted
from modelwright.adapters.stores.memory_tasks import MemoryTasks
from modelwright.app.tasks.runner import LEFT, TIDY, Runner
from modelwright.core.contracts.tasks import TaskRules
from modelwright.core.identity import Caller
from modelwright.core.ports.clock import ManualClock
from modelwright.core.tasks import rules
from modelwright.core.tasks.task import Principal, Task

READY = Scripted(pieces=(b"{}",))
ANSWER = Scripted(pieces=(b'{"data":[]}',))


class Forgetful(MemoryTasks):
    """A database that goes away when it has kept what it was given, before it says so."""

    breaks_at = ""

    async def replace(self, task: Task, *, body: bytes = b"") -> bool:
        kept = await super().replace(task, body=body)
        if task.status == self.breaks_at:
            self.breaks_at = ""
            raise OperationalError("UPDATE", {}, ConnectionError("the server has closed the connection"))
        return kept


class Hosts:
    """One store, and a runner for each host."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.tasks = Forgetful()
        self.present = {"one", "two"}
        self.calls: list[str] = []
        (folder / "gateway-0.sock").touch()

    def runner(self, host: str, *, hangs: bool = False, is_broken: bool = False) -> Runner:
        numbers = count(1)

        def script(request: Any) -> Scripted:
            if request.target == "/readyz":
                return READY
            self.calls.append(host)
            if is_broken:
                raise RuntimeError("a mistake of ours")
            return Scripted(pieces=(60.0, b"{}")) if hangs else ANSWER

        async def present(_: float) -> Sequence[str]:
            return tuple(self.present)

        made = Runner(
            self.tasks,
            self.tasks,
            FakeTransport(script),
            runtime=self.folder,
            host=host,
            present=present,
            clock=self.clock,
            ids=lambda: f"{host}-{next(numbers)}",
            chance=lambda: 0.5,
            changed=lambda _: None,
        )
        made.rounds.rules = TaskRules()
        return made

    async def leave(self, name: str) -> Task:
        now = self.clock.now()
        task = Task(
            id=f"task_{name}",
            principal=Principal(caller=Caller(id="abcdefgh")),
            url="/v1/embeddings",
            endpoint="vectors",
            created=now,
            expires=now + 86_400,
            due=now,
        )
        return await self.tasks.add(task, b"{}", most=9)

    async def status(self, name: str) -> str:
        found = await self.tasks.find(f"task_{name}")
        assert found is not None
        return found.status


async def during(runners: Sequence[Runner], done: Callable[[], Awaitable[bool]]) -> None:
    """Let them run until something is so."""
    running = [asyncio.get_running_loop().create_task(runner.rounds.run()) for runner in runners]
    try:
        async with asyncio.timeout(20):
            while not await done():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
    finally:
        for runner in runners:
            runner.rounds.finish()
        await asyncio.gather(*running)


async def test_each_task_is_run_by_one_of_the_hosts(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path)
    for name in "abcdefgh":
        await hosts.leave(name)

    async def done() -> bool:
        return all([await hosts.status(name) == "succeeded" for name in "abcdefgh"])

    await during([hosts.runner("one"), hosts.runner("two")], done)
    assert len(hosts.calls) == 8


async def test_what_another_host_runs_is_left_to_it_until_that_host_is_gone(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path)
    task = await hosts.leave("a")
    await hosts.tasks.replace(rules.begin(task, call="x", worker="gateway-0", now=hosts.clock.now(), host="one"))
    other = await hosts.leave("b")

    async def other_is_done() -> bool:
        return await hosts.status(other.id.removeprefix("task_")) == "succeeded"

    await during([hosts.runner("two")], other_is_done)
    assert await hosts.status("a") == "running"
    hosts.present = {"two"}
    hosts.clock.advance(TIDY + 1)

    async def done() -> bool:
        return await hosts.status("a") == "succeeded"

    await during([hosts.runner("two")], done)
    assert hosts.calls == ["two", "two"]


async def test_what_broke_off_elsewhere_waits_for_its_own_host(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path)
    now = hosts.clock.now()
    begun = rules.begin(await hosts.leave("a"), call="x", worker="gateway-0", now=now, host="one")
    await hosts.tasks.replace(begun)
    await hosts.tasks.replace(rules.lost(begun, now=now, chance=0.5, problem="it died"))
    hosts.clock.advance(60)
    await hosts.leave("b")

    async def b_is_done() -> bool:
        return await hosts.status("b") == "succeeded"

    await during([hosts.runner("two")], b_is_done)
    assert await hosts.status("a") == "queued"
    hosts.clock.advance(LEFT)

    async def done() -> bool:
        return await hosts.status("a") == "succeeded"

    await during([hosts.runner("two")], done)


async def test_a_host_goes_on_with_no_call_that_another_has_cancelled(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path)
    await hosts.leave("a")
    one = hosts.runner("one", hangs=True)

    async def begun() -> bool:
        return await hosts.status("a") == "running"

    async def cut() -> bool:
        found = await hosts.tasks.find("task_a")
        assert found is not None
        if found.status == "running" and hosts.calls:
            await hosts.tasks.replace(rules.cancelled(found, now=hosts.clock.now()))
        return found.status == "cancelled" and not one.busy

    await during([one], cut)
    assert hosts.calls == ["one"]


async def test_a_mistake_of_ours_leaves_no_task_that_runs_for_ever(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path)
    await hosts.leave("a")

    async def failed() -> bool:
        hosts.clock.advance(60)
        return await hosts.status("a") == "failed"

    await during([hosts.runner("one", is_broken=True)], failed)
    assert len(hosts.calls) == rules.MOST_LOSSES


async def test_a_task_of_which_nobody_knows_whether_it_was_begun_is_run_all_the_same(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path)
    await hosts.leave("a")
    hosts.tasks.breaks_at = "running"

    async def done() -> bool:
        return await hosts.status("a") == "succeeded"

    await during([hosts.runner("one")], done)
    assert hosts.calls == ["one"]


async def test_a_task_is_forgotten_when_it_has_been_kept_for_its_time(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path)
    await hosts.leave("a")

    async def done() -> bool:
        return await hosts.status("a") == "succeeded"

    await during([hosts.runner("one")], done)
    hosts.clock.advance(TaskRules().keep - 1)
    await hosts.leave("b")

    async def gone() -> bool:
        hosts.clock.advance(TIDY)
        return await hosts.tasks.find("task_a") is None

    await during([hosts.runner("one")], gone)
    assert await hosts.tasks.content("task_a") == (b"", b"")
    assert await hosts.status("b") == "succeeded"
