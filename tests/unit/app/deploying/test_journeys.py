"""Plan, deploy, go on, give up, go back, decide: over a target in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from modelwright.app.deploying.journeys import Journeys
from modelwright.app.deploying.supplies import UNKNOWN, Described, Supplies
from modelwright.core.deploying.journal import Entry
from modelwright.core.deploying.steps import Plan, Watch
from modelwright.core.deploying.trials import Rise, Rules
from modelwright.core.deploying.workloads import Desired
from modelwright.core.errors.deploying import Drifted, LeaseHeld, NothingOpen, NoWayBack, OnTrial, Undone
from modelwright.core.ports.deploying.targets import Target
from modelwright.deploy.carrying import Author
from tests.unit.deploy.place import Counts, Place, counted
from tests.unit.deploy.test_carrying import Ticking
from tests.unit.deploy.test_planning import site
from tests.unit.deploy.world import CutOffError, World

TRIAL = Rise(steps=(10, 100), pause=0.02, rules=Rules(success_rate=0.99, wait=0.02))


class Nothing:
    """Contents of a description that needs none."""

    async def read(self, digest: str) -> AsyncIterator[bytes]:
        yield b""


class Host:
    """A place that has to be prepared before anything else."""

    def __init__(self) -> None:
        self.place = Place(World(site()))
        self.watcher: Counts | None = None
        self.keeper = ""

    @property
    def target(self) -> Target:
        return msgspec.structs.replace(self.place.target, watcher=self.watcher)

    async def prepare(self, keeper: str) -> None:
        self.keeper = keeper

    async def salt(self) -> str:
        return "salt" if self.keeper else ""


def journeys(
    host: Host, desired: Desired, *, rise: Rise | None = None, heard: list[Entry | LeaseHeld] | None = None
) -> Journeys:
    async def describe(salt: str) -> Described:
        assert salt in {"salt", UNKNOWN}
        return Described(desired=desired, contents=Nothing(), keeper="keeper@1")

    author = Author(who="ada", where="here")
    tell = ([] if heard is None else heard).append
    return Journeys(host, Supplies(describe), author, rise=rise or Rise(), clock=Ticking(), tell=tell)


async def deploy(host: Host, desired: Desired, *, rise: Rise | None = None) -> Plan:
    these = journeys(host, desired, rise=rise)
    await these.settle()
    plan = await these.plan(exact=True)
    await these.deploy(plan)
    return plan


async def test_only_to_look_at_a_plan_prepares_nothing() -> None:
    host = Host()
    plan = await journeys(host, site()).plan()
    assert plan.release == "r1"
    assert plan.steps
    assert host.keeper == ""
    assert host.place.done == []


async def test_from_nothing_to_serving_and_a_second_time_nothing_is_done() -> None:
    host = Host()
    assert (await deploy(host, site())).release == "r1"
    assert host.place.world.whole("r1")
    again = await deploy(host, site())
    assert (again.release, again.steps) == ("r1", ())


async def test_exactly_a_plan_that_was_kept_or_nothing() -> None:
    host = Host()
    await deploy(host, site())
    kept = await journeys(host, site(api="2")).plan(exact=True)
    kept = msgspec.json.decode(msgspec.json.encode(kept), type=Plan)
    await deploy(host, site(web="2"))
    with pytest.raises(Drifted):
        await journeys(host, site(api="2")).deploy(kept)
    assert host.place.world.whole("r2")


async def test_what_fails_is_undone_and_said() -> None:
    host = Host()
    await deploy(host, site())
    host.place.world.unhealthy.add("r2")
    with pytest.raises(Undone, match="what served before serves: not ready"):
        await deploy(host, site(web="2"))
    assert host.place.world.whole("r1")


async def test_what_helps_against_it_is_said_too() -> None:
    host = Host()
    host.place.fails = {"bring"}
    with pytest.raises(Undone) as undone:
        await deploy(host, site())
    assert undone.value.hint == "mend it"


async def cut_off(host: Host, desired: Desired, after: int) -> None:
    these = journeys(host, desired)
    plan = await these.plan(exact=True)
    host.place.world.cut_after = after
    with pytest.raises(CutOffError):
        await these.deploy(plan)
    host.place.world.cut_after = -1


@pytest.mark.parametrize("wanted", ["the same", "another"])
@pytest.mark.parametrize("after", [4, 12, 20])
async def test_the_next_deploy_ends_what_was_cut_off(wanted: str, after: int) -> None:
    host = Host()
    await deploy(host, site())
    await cut_off(host, site(api="2", web="2"), after)
    desired = site(api="2", web="2") if wanted == "the same" else site(api="3")
    await deploy(host, desired)
    assert host.place.world.whole(host.place.world.observed.current)
    assert (await journeys(host, desired).plan()).steps == ()
    assert host.place.world.unserved == 0


async def test_who_was_cut_off_is_gone_on_with_or_given_up() -> None:
    for verb in ("resume", "abort"):
        host = Host()
        await deploy(host, site())
        await cut_off(host, site(api="2"), 9)
        standing = await journeys(host, site()).standing()
        assert standing.open is not None
        assert standing.begun is not None
        assert standing.begun.who == "ada"
        these = journeys(host, site())
        await (these.resume() if verb == "resume" else these.abort())
        assert host.place.world.whole("r2" if verb == "resume" else "r1")


async def test_with_nothing_open_there_is_nothing_to_go_on_with() -> None:
    host = Host()
    for verb in ("resume", "abort", "promote"):
        with pytest.raises(NothingOpen):
            await getattr(journeys(host, site()), verb)()
    await deploy(host, site())
    for verb in ("resume", "abort", "promote"):
        with pytest.raises(NothingOpen):
            await getattr(journeys(host, site()), verb)()


async def test_back_to_what_served_before_and_to_a_release_by_name() -> None:
    host = Host()
    for version in ("1", "2", "3"):
        await deploy(host, site(api=version))
    these = journeys(host, site())
    await these.roll_back(await these.back())
    assert host.place.world.whole("r2")
    await these.roll_back(await these.back("r1"))
    assert host.place.world.whole("r1")
    await these.roll_back(await these.back())
    assert host.place.world.whole("r2")


async def test_a_rollback_to_what_is_not_whole_touches_nothing() -> None:
    host = Host()
    for version in ("1", "2"):
        await deploy(host, site(api=version))
    seen = host.place.world.observed
    lacking = tuple(msgspec.structs.replace(one, missing=("the image api:1",)) for one in seen.releases)
    host.place.world.observed = msgspec.structs.replace(seen, releases=lacking)
    before = list(host.place.done)
    with pytest.raises(NoWayBack, match="r1: nothing was changed: the image api:1 is missing"):
        await journeys(host, site()).back()
    with pytest.raises(NoWayBack, match="r9 is not known here"):
        await journeys(host, site()).back("r9")
    assert host.place.done == before


async def test_before_the_second_release_there_is_no_way_back() -> None:
    host = Host()
    await deploy(host, site())
    with pytest.raises(NoWayBack, match="no release served before this one"):
        await journeys(host, site()).back()


@pytest.mark.parametrize(("verb", "release"), [("promote", "r2"), ("abort", "r1"), ("back", "r1"), ("deploy", "r3")])
async def test_what_stays_on_trial_is_decided_by_somebody(verb: str, release: str) -> None:
    host = Host()
    await deploy(host, site())
    with pytest.raises(OnTrial):
        await deploy(host, site(api="2"), rise=TRIAL)
    these = journeys(host, site(api="3"))
    assert (await these.standing()).trial == "r2"
    match verb:
        case "promote":
            assert await these.promote() == "r2"
        case "abort":
            assert await these.abort() == "r1"
        case "back":
            await these.roll_back(await these.back())
        case _:
            await deploy(host, site(api="3"))
    assert host.place.world.whole(release)
    assert (await these.standing()).trial == ""
    assert host.place.world.unserved == 0


@pytest.mark.parametrize("rise", [TRIAL, Rise(steps=(30,), pause=0.02, rules=TRIAL.rules)])
async def test_a_trial_whose_watch_was_cut_off_is_promoted_to_all_traffic(rise: Rise) -> None:
    host = Host()
    await deploy(host, site())
    host.place.world.cut_after = 12
    with pytest.raises(CutOffError):
        await deploy(host, site(api="2"), rise=rise)
    host.place.world.cut_after = -1
    opened = (await journeys(host, site()).standing()).open
    assert opened is not None
    assert any(isinstance(step, Watch) for step in opened.plan.steps)
    assert await journeys(host, site()).promote() == "r2"
    assert host.place.world.whole("r2")
    assert (await journeys(host, site()).standing()).trial == ""


async def test_a_trial_that_goes_badly_ends_by_itself() -> None:
    host = Host()
    await deploy(host, site())
    host.watcher = Counts(counted("r2", 100, 50))
    with pytest.raises(Undone, match=r"r2 does not keep to the rules: 50.00% of 100 calls"):
        await deploy(host, site(api="2"), rise=TRIAL)
    assert host.place.world.whole("r1")


async def test_what_was_changed_by_hand_is_seen_and_mended_by_a_deploy() -> None:
    host = Host()
    await deploy(host, site())
    seen = host.place.world.observed
    host.place.world.observed = msgspec.structs.replace(seen, instances=seen.instances[1:])
    drift = (await journeys(host, site()).standing()).drift
    assert drift is not None
    assert [(one.act, one.name) for one in drift.changes] == [("repair", seen.instances[0].workload)]
    await deploy(host, site())
    assert host.place.world.whole("r1")
    assert (await journeys(host, site()).standing()).drift is None
