"""One suite for what every target's hands do: each step again, and back, from wherever it was cut off."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from modelwright.adapters.targets.local.target import local_target
from modelwright.app.supervise.devices.runtime import runtime_folder
from modelwright.app.system import SystemClock
from modelwright.core.deploying.journal import Begun
from modelwright.core.deploying.places import PROCESS
from modelwright.core.deploying.steps import (
    Bring,
    Drain,
    Place,
    Plan,
    Prove,
    Record,
    Retire,
    Run,
    Shift,
    Start,
    Step,
)
from modelwright.core.deploying.workloads import Desired, Gate, Route, Workload, digest_of
from modelwright.core.errors.deploying import LeaseLost, StepFailed
from modelwright.core.ports.deploying.targets import Lease, Target
from tests.making.carried import Carried
from tests.making.local_site import end_keeper
from tests.making.memory_target import IMAGE, memory_target

SERVER = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "$PORT")
APP = Workload(name="api", kind="app", image=IMAGE, port=8080, gate=Gate(path="/"), before=("true",), grace=10.0)


class Site:
    """A target that is prepared, under a lease, and the app that it can run."""

    def __init__(self, target: Target, app: Workload) -> None:
        self.target, self.app = target, app
        self.lease: Lease

    def steps(self, word: str = "v1", release: str = "r1") -> tuple[Step, ...]:
        """From nothing to a release that serves."""
        app = msgspec.structs.replace(self.app, env={"VERSION": word})
        routes = (Route(name="all", workload="api"),)
        desired = Desired(project="hands", environment="test", workloads=(app,), routes=routes)
        assert app.gate is not None
        return (
            Bring(image=app.image),
            Place(release=release, desired=desired),
            Run(workload="api", release=release),
            Start(workload="api", release=release, replicas=1, digest=digest_of(app)),
            Prove(workload="api", release=release, gate=app.gate),
            Shift(routes=routes, shares={"all": {release: 100}}),
            Record(release=release),
        )

    async def do(self, *steps: Step) -> None:
        for step in steps:
            await self.target.hands.do(step)


@asynccontextmanager
async def _memory(folder: Path) -> AsyncIterator[Site]:
    yield Site(memory_target(folder / "state", contents=Carried(), clock=SystemClock()), APP)


@asynccontextmanager
async def _local(folder: Path) -> AsyncIterator[Site]:
    place = folder / "kept"
    target, environment = local_target(
        place,
        runtime_folder(place, ("keeper",)),
        contents=Carried(),
        clock=SystemClock(),
        version=version("modelwright"),
        env=os.environ,
    )
    await environment.prepare()
    try:
        yield Site(target, msgspec.structs.replace(APP, image=PROCESS, command=SERVER))
    finally:
        end_keeper(place, signal.SIGTERM)


KINDS = {"memory": _memory, "local": _local}


@pytest.fixture(params=KINDS)
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    async with KINDS[request.param](tmp_path) as site:
        site.lease = await site.target.leases.take("ada")
        yield site


async def test_what_is_done_holds_and_is_done_again_without_harm(site: Site) -> None:
    hands, observer = site.target.hands, site.target.observer
    steps = site.steps()
    for step in steps:
        if not isinstance(step, Bring):
            assert not await hands.holds(step), step
        await hands.do(step)
        once = await observer.observe()
        if not isinstance(step, Start | Prove):  # doing these looks first
            assert await hands.holds(step), step
        if not isinstance(step, Run | Record):
            await hands.do(step)
            twice = await observer.observe()
            assert msgspec.structs.replace(twice, disk=0) == msgspec.structs.replace(once, disk=0)
    seen = await observer.observe()
    (instance,) = seen.instances
    assert (instance.workload, instance.release, instance.state, instance.restarts) == ("api", "r1", "ready", 0)
    assert (seen.current, seen.traffic) == ("r1", {"all": {"r1": 100}})
    assert [(one.name, one.missing) for one in seen.releases] == [("r1", ())]
    assert [(one.release, one.share) for one in await observer.history()] == [("r1", 100)]


async def test_what_was_never_or_half_done_can_be_undone_and_then_done(site: Site) -> None:
    hands, steps = site.target.hands, site.steps()
    before = await site.target.observer.observe()
    for step in reversed(steps[1:-1]):
        await hands.undo(step)
    await site.do(*steps[:4])
    for step in reversed(steps[1:4]):
        await hands.undo(step)
        await hands.undo(step)
    after = await site.target.observer.observe()
    assert (after.instances, after.traffic, after.releases) == (before.instances, before.traffic, before.releases)
    await site.do(*steps)
    assert (await site.target.observer.observe()).current == "r1"


async def test_one_release_follows_another_and_the_old_one_is_gone(site: Site) -> None:
    await site.do(*site.steps())
    new = site.steps("v2", "r2")
    shift = next(step for step in new if isinstance(step, Shift))
    old = msgspec.structs.replace(shift, old_routes=shift.routes, old_shares={"all": {"r1": 100}})
    await site.do(*new[:5], old)
    await site.target.hands.undo(old)
    assert (await site.target.observer.observe()).traffic == {"all": {"r1": 100}}
    gone: tuple[Step, ...] = (Drain(workload="api", release="r1"), Retire(workload="api", release="r1"))
    await site.do(*new[5:], *gone, *gone)
    assert all([await site.target.hands.holds(step) for step in gone])
    seen = await site.target.observer.observe()
    assert [one.release for one in seen.instances] == ["r2"]
    assert [one.name for one in seen.releases] == ["r2", "r1"]
    assert [one.release for one in await site.target.observer.history()] == ["r2", "r1"]


async def test_what_nobody_knows_fails_by_its_name(site: Site) -> None:
    with pytest.raises(StepFailed, match="start api in r9: the target does not know what api is in r9"):
        await site.target.hands.do(Start(workload="api", release="r9", replicas=1, digest="d"))
    with pytest.raises(StepFailed, match="bring none:1"):
        await site.target.hands.do(Bring(image="none:1"))


async def test_who_comes_back_too_late_changes_nothing(site: Site) -> None:
    await site.target.leases.leave(site.lease)
    await site.do(*site.steps()[:2])
    late, other = site.target.leases, await site.target.leases.take("bob")
    plan = Plan(project="hands", environment="test", release="r1", world="w", steps=())
    with pytest.raises(LeaseLost, match="bob"):
        await late.renew(site.lease)
    with pytest.raises(LeaseLost, match="bob"):
        await site.target.journal.append(Begun(at=1.0, epoch=site.lease.epoch, plan=plan, who="ada", where="here"))
    await site.target.journal.append(Begun(at=1.0, epoch=other.epoch, plan=plan, who="bob", where="here"))
    assert [entry.epoch for entry in await site.target.journal.entries()] == [other.epoch]
