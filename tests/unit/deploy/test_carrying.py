"""A plan is carried out under a lease, and whatever happens to whoever does it, somebody else ends it whole."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from modelwright.core.deploying.journal import Begun, Ended, Entry, Failed, Turned
from modelwright.core.deploying.steps import Plan
from modelwright.core.deploying.trials import Rise, Rules
from modelwright.core.errors.deploying import Drifted, Interrupted, LeaseHeld, LeaseLost, StepFailed
from modelwright.core.ports.clock import Clock, ManualClock
from modelwright.core.ports.deploying.targets import Lease
from modelwright.deploy.carrying import Author, Carrier
from modelwright.deploy.homes import on_trial
from modelwright.deploy.planning import planned
from tests.unit.deploy.place import LASTS, Counts, Place, counted
from tests.unit.deploy.test_progress import deployed, desired
from tests.unit.deploy.world import CutOffError, World

TRIAL = Rise(steps=(10, 100), pause=0.02, rules=Rules(success_rate=0.99, calls=50, wait=0.02))


class Ticking(ManualClock):
    """Goes on by a hundredth at each look."""

    def monotonic(self) -> float:
        self.advance(0.01)
        return super().monotonic()


class Told(list[Entry | LeaseHeld]):
    """What somebody at a terminal hears."""

    def __init__(self) -> None:
        super().__init__()
        self.held = asyncio.Event()

    def hear(self, entry: Entry | LeaseHeld) -> None:
        self.append(entry)
        if isinstance(entry, LeaseHeld):
            self.held.set()

    def of(self, kind: type) -> list[Entry | LeaseHeld]:
        return [entry for entry in self if isinstance(entry, kind)]


def second() -> Place:
    return Place(World(desired("v2"), deployed("v1").observed))


def plan_of(place: Place, rise: Rise | None = None, release: str = "v2") -> Plan:
    return planned(desired(release), place.world.observed, release=release, rise=rise or Rise())


def carrier(place: Place, told: Told | None = None, *, who: str = "ada", watcher: Counts | None = None) -> Carrier:
    target = msgspec.structs.replace(place.target, watcher=watcher)
    clock: Clock = Ticking()
    return Carrier(target, Author(who=who, where="here"), clock=clock, tell=(told if told is not None else Told()).hear)


async def test_it_deploys_and_says_each_step() -> None:
    place, told = second(), Told()
    assert await carrier(place, told).deploy(plan_of(place)) == "deployed"
    assert place.world.whole("v2")
    assert isinstance(told[0], Begun)
    assert isinstance(told[-1], Ended)
    assert place.lease.owner == ""


async def test_a_plan_for_another_world_is_refused_and_nothing_is_done() -> None:
    place = second()
    plan = plan_of(place)
    place.world.observed = msgspec.structs.replace(place.world.observed, traffic={})
    with pytest.raises(Drifted):
        await carrier(place).deploy(plan)
    assert place.done == []
    assert place.lease.owner == ""


async def test_nobody_begins_while_another_plan_is_open() -> None:
    place = second()
    place.fails = {"undo start"}
    place.world.unhealthy.add("v2")
    with pytest.raises(StepFailed, match="undo start"):
        await carrier(place).deploy(plan_of(place))
    with pytest.raises(Interrupted, match="resume or abort"):
        await carrier(place).deploy(plan_of(place))


async def test_an_undo_that_failed_is_gone_on_with() -> None:
    place, told = second(), Told()
    place.world.unhealthy.add("v2")
    place.fails = {"undo start"}
    with pytest.raises(StepFailed):
        await carrier(place, told).deploy(plan_of(place))
    assert any(isinstance(entry, Failed) and entry.undo for entry in told)
    place.fails = set()
    assert await carrier(place, who="bob").resume() == "undone"
    assert place.world.whole("v1")
    assert place.world.unserved == 0


async def test_a_step_that_hangs_is_named_and_undone() -> None:
    place, told = second(), Told()
    plan = plan_of(place)
    short = tuple(msgspec.structs.replace(step, deadline=0.05) for step in plan.steps)
    place.hangs = {"prove"}
    assert await carrier(place, told).deploy(msgspec.structs.replace(plan, steps=short)) == "undone"
    (turned,) = told.of(Turned)
    assert isinstance(turned, Turned)
    assert turned.reason == "prove api in v2 took longer than 0.05 s"
    assert place.world.whole("v1")


@pytest.mark.parametrize("verb", ["resume", "abort"])
@pytest.mark.parametrize("step", ["record", "drain"])
async def test_a_failure_at_or_after_the_record_goes_only_forward(step: str, verb: str) -> None:
    """A record that failed may have been written all the same."""
    place = second()
    place.fails = {step}
    with pytest.raises(StepFailed):
        await carrier(place).deploy(plan_of(place))
    assert place.world.observed.current == ("v1" if step == "record" else "v2")
    place.fails = set()
    other = carrier(place, who="bob")
    assert await (other.resume() if verb == "resume" else other.abort()) == "deployed"
    assert place.world.whole("v2")


async def test_who_loses_the_lease_stops_at_once_and_writes_no_more() -> None:
    place = second()
    place.hangs = {"start"}
    doing = asyncio.create_task(carrier(place).deploy(plan_of(place)))
    await place.hanging.wait()
    place.lease = Lease(owner="bob on his machine", epoch=place.lease.epoch + 1, until=0.0)
    written = len(place.world.entries)
    with pytest.raises(LeaseLost, match="bob on his machine"):
        await doing
    assert len(place.world.entries) == written
    place.hangs = set()
    assert await carrier(place, who="bob").abort() == "undone"
    assert place.world.whole("v1")


async def test_interrupted_it_gives_the_lease_back_and_another_one_ends_it() -> None:
    place = second()
    place.hangs = {"start"}
    doing = asyncio.create_task(carrier(place).deploy(plan_of(place)))
    await place.hanging.wait()
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing
    assert place.lease.owner == ""
    place.hangs = set()
    assert await carrier(place, who="bob").resume() == "deployed"
    assert place.world.whole("v2")


async def test_a_living_owner_keeps_others_out() -> None:
    place, told = second(), Told()
    place.hangs = {"start"}
    doing = asyncio.create_task(carrier(place).deploy(plan_of(place)))
    await place.hanging.wait()
    with pytest.raises(LeaseHeld, match="ada on here is changing it"):
        await carrier(place, told, who="bob").abort()
    assert told.of(LeaseHeld)
    doing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await doing


async def test_a_dead_owners_lease_is_waited_for() -> None:
    place, told = second(), Told()
    place.world.cut_after = 12
    with pytest.raises(CutOffError):
        await carrier(place).deploy(plan_of(place))
    place.world.cut_after = -1
    place.lease = Lease(owner="ada on here", epoch=place.lease.epoch, until=place.clock.now() + LASTS)
    going_on = asyncio.create_task(carrier(place, told, who="bob").resume())
    await told.held.wait()
    place.clock.advance(1.0)
    assert await going_on == "deployed"
    assert place.world.whole("v2")


async def test_nothing_to_go_on_with_is_said() -> None:
    place = Place(deployed("v1"))
    place.world.entries.clear()
    assert await carrier(place).resume() is None
    assert await carrier(place).abort() is None


async def test_a_trial_that_keeps_to_the_rules_goes_on_by_itself() -> None:
    place = second()
    plan = plan_of(place, TRIAL)
    assert await carrier(place, watcher=Counts(counted("v2", 200))).deploy(plan) == "deployed"
    assert place.world.whole("v2")


async def test_a_trial_that_does_not_is_rolled_back_and_says_why() -> None:
    place, told = second(), Told()
    plan = plan_of(place, TRIAL)
    assert await carrier(place, told, watcher=Counts(counted("v2", 200, 20))).deploy(plan) == "undone"
    (turned,) = told.of(Turned)
    assert isinstance(turned, Turned)
    assert turned.reason == "v2 does not keep to the rules: 90.00% of 200 calls ended well, and 99.00% have to"
    assert place.world.whole("v1")


@pytest.mark.parametrize("watcher", [None, Counts(), Counts(counted("v2", 49))])
async def test_without_data_a_trial_is_held_where_it_is(watcher: Counts | None) -> None:
    place = second()
    assert await carrier(place, watcher=watcher).deploy(plan_of(place, TRIAL)) == "held"
    seen = place.world.observed
    assert seen.current == "v1"
    assert seen.traffic["front"] == {"v2": 10, "v1": 90}
    assert on_trial(seen) == "v2"
    assert place.world.unserved == 0


async def test_a_held_trial_is_promoted_or_ended_by_a_plan() -> None:
    for release in ("v1", "v2"):
        place = second()
        assert await carrier(place).deploy(plan_of(place, TRIAL)) == "held"
        assert await carrier(place).deploy(plan_of(place, release=release)) == "deployed"
        assert place.world.whole(release)
        assert place.world.unserved == 0


async def test_who_goes_on_with_a_trial_may_take_it_for_passed() -> None:
    place = second()
    plan = plan_of(place, TRIAL)
    watch = next(number for number, step in enumerate(plan.steps) if step.__struct_config__.tag == "watch")
    place.world.cut_after = 2 + 3 * watch
    with pytest.raises(CutOffError):
        await carrier(place).deploy(plan)
    place.world.cut_after = -1
    assert await carrier(place).resume(judged=False) == "deployed"
    assert place.world.whole("v2")
