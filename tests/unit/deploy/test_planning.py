"""What has not changed is not started again; each release serves whole, and a second plan is empty."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.deploying.observed import Instance, Observed, State, Stored
from modelwright.core.deploying.steps import Drain, Fill, Keep, Prove, Prune, Record, Retire, Run, Shift, Start
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired, Gate, Mount, Route, Workload
from modelwright.deploy.homes import homes, on_trial
from modelwright.deploy.planning import planned
from tests.unit.deploy.world import World

GATE = Gate(path="/readyz")


def site(*, keep: int = 3, routes: tuple[Route, ...] | None = None, **versions: str) -> Desired:
    """An API that reaches a gateway, a front end that reaches nothing, and a database."""
    return site_of(versions, keep=keep, routes=routes)


def site_of(versions: dict[str, str], *, keep: int = 3, routes: tuple[Route, ...] | None = None) -> Desired:
    """By name of a workload, the version of its image; those not named have their first."""
    at = {"web": "1", "api": "1", "gateway": "1", "db": "1", **versions}
    return Desired(
        project="kb",
        environment="production",
        workloads=(
            Workload(name="web", kind="app", image=f"web:{at['web']}", gate=GATE),
            Workload(name="api", kind="app", image=f"api:{at['api']}", after=("gateway", "db"), before=("migrate",)),
            Workload(name="gateway", kind="gateway", image=f"gateway:{at['gateway']}", replicas=2, after=("db",)),
            Workload(name="db", kind="service", image=f"db:{at['db']}"),
        ),
        routes=routes or (Route(name="front", workload="web"), Route(name="back", workload="api", prefix="/api")),
        keep=keep,
    )


def deployed(desired: Desired, seen: Observed | None = None, *, release: str = "r1", rise: Rise | None = None) -> World:
    world = World(desired, seen)
    assert world.carry_out(planned(desired, world.observed, release=release, rise=rise or Rise())) == "deployed"
    return world


def test_only_what_changed_is_started_and_moved() -> None:
    first = deployed(site())
    world = deployed(site(api="2"), first.observed, release="r2")
    assert world.started == [("api", "r2")]
    assert world.observed.traffic == {"front": {"r1": 100}, "back": {"r2": 100}}
    assert world.whole("r2")


def test_what_waits_for_nobody_starts_beside_the_others_before_any_is_proven() -> None:
    steps = planned(site(), Observed(), release="r1", rise=Rise()).steps
    begun = [(type(step), step.workload) for step in steps if isinstance(step, Start | Prove)]
    assert begun == [(Start, "web"), (Start, "gateway"), (Prove, "web"), (Start, "api")]


def test_what_reaches_something_that_changed_is_started_with_it() -> None:
    world = deployed(site(gateway="2"), deployed(site()).observed, release="r2")
    assert world.started == [("gateway", "r2"), ("api", "r2")]
    assert world.whole("r2")


def test_a_release_that_changes_no_instance_is_only_recorded() -> None:
    world = deployed(site(keep=4), deployed(site()).observed, release="r2")
    assert world.started == []
    assert world.whole("r2")


def test_a_route_that_changes_is_moved_without_a_start() -> None:
    routes = (Route(name="front", workload="web", host="kb.example.com"),)
    world = deployed(site(routes=routes), deployed(site()).observed, release="r2")
    assert world.started == []
    assert world.routes == routes
    assert world.whole("r2")


def test_instances_gone_by_hand_come_back_where_the_others_look_for_them() -> None:
    seen = deployed(site(web="2"), deployed(site()).observed, release="r2").observed
    left = msgspec.structs.replace(seen, instances=tuple(one for one in seen.instances if one.workload != "gateway"))
    world = deployed(site(web="2"), left, release="r2")
    assert world.started == [("gateway", "r1")]
    assert world.whole("r2")


def test_traffic_that_was_moved_by_hand_is_moved_back() -> None:
    seen = deployed(site(api="2"), deployed(site()).observed, release="r2").observed
    drifted = msgspec.structs.replace(seen, traffic={"front": {"r1": 100}})
    plan = planned(site(api="2"), drifted, release="r2", rise=Rise(steps=(10, 100), pause=5))
    assert [type(step) for step in plan.steps[1:]] == [Shift]
    assert deployed(site(api="2"), drifted, release="r2").whole("r2")


def test_the_command_of_a_release_runs_once() -> None:
    seen = deployed(site(api="2"), deployed(site()).observed, release="r2").observed
    back = planned(site(), seen, release="r1", rise=Rise())
    assert not any(isinstance(step, Run) for step in back.steps)
    first = planned(site(), Observed(), release="r1", rise=Rise())
    assert [step.workload for step in first.steps if isinstance(step, Run)] == ["api"]


def test_a_release_whose_instances_still_answer_is_not_pruned() -> None:
    world = deployed(site(keep=2))
    for number in range(2, 6):
        world = deployed(site(keep=2, api=str(number)), world.observed, release=f"r{number}")
    assert [one.name for one in world.observed.releases] == ["r5", "r4", "r1"]


def test_the_release_that_describes_a_service_which_still_runs_is_not_pruned() -> None:
    """Nobody else could say what to go back to, should the service come back otherwise."""
    world = deployed(site(keep=2))
    for number in range(2, 6):
        at = str(number)
        whole = site(keep=2, api=at, web=at, gateway=at)
        without = tuple(one for one in whole.workloads if one.name != "db")
        world = deployed(msgspec.structs.replace(whole, workloads=without), world.observed, release=f"r{number}")
    assert [one.name for one in world.observed.releases] == ["r5", "r4", "r1"]


def test_a_rollback_keeps_the_release_that_it_leaves() -> None:
    world = deployed(site(keep=2))
    for number in range(2, 4):
        world = deployed(site(keep=2, api=str(number), web=str(number)), world.observed, release=f"r{number}")
    back = planned(site(keep=2, api="2", web="2"), world.observed, release="r2", rise=Rise())
    assert not any(isinstance(step, Prune) for step in back.steps)


def test_a_new_deploy_begins_with_clean_weights() -> None:
    trial = Rise(steps=(10,))
    seen = deployed(site(api="2"), deployed(site()).observed, release="r2", rise=trial).observed
    assert on_trial(seen) == "r2"
    plan = planned(site(api="3"), seen, release="r3", rise=Rise(steps=(5, 100), pause=1))
    shifts = [step.shares for step in plan.steps if isinstance(step, Shift)]
    assert shifts == [
        {"front": {"r1": 100}, "back": {"r3": 5, "r1": 95}},
        {"front": {"r1": 100}, "back": {"r3": 100}},
    ]
    assert deployed(site(api="3"), seen, release="r3").whole("r3")


def test_a_trial_stays_until_a_plan_ends_it_and_the_same_plan_again_is_empty() -> None:
    trial = Rise(steps=(10,))
    world = deployed(site(api="2"), deployed(site()).observed, release="r2", rise=trial)
    assert world.observed.current == "r1"
    assert planned(site(api="2"), world.observed, release="r2", rise=trial).steps == ()
    on = planned(site(api="2"), world.observed, release="r2", rise=Rise())
    assert [step.share for step in on.steps if isinstance(step, Record)] == [100]
    assert not any(isinstance(step, Start) for step in on.steps)
    for version, release in (("1", "r1"), ("2", "r2")):
        assert deployed(site(api=version), world.observed, release=release).whole(release)


def test_what_lasts_answers_a_route_by_itself() -> None:
    routes = (Route(name="front", workload="web"), Route(name="data", workload="db", prefix="/db"))
    world = deployed(site(routes=routes), deployed(site()).observed, release="r2")
    assert world.observed.traffic["data"] == {"": 100}
    assert planned(site(routes=routes), world.observed, release="r2", rise=Rise()).steps == ()


@pytest.mark.parametrize("state", ["ready", "starting", "failed", "stopped"])
def test_what_lasts_is_gone_back_to_whatever_it_did_when_it_was_seen(state: State) -> None:
    """Otherwise it would be gone when a deploy is undone that found it between two starts."""
    seen = deployed(site()).observed
    instances = tuple(
        msgspec.structs.replace(one, state=state) if one.workload == "db" else one for one in seen.instances
    )
    plan = planned(site(db="2"), msgspec.structs.replace(seen, instances=instances), release="r2", rise=Rise())
    (keep,) = (step for step in plan.steps if isinstance(step, Keep))
    assert keep.before == next(one.digest for one in seen.instances if one.workload == "db")


@given(old=st.floats(0, 3600), new=st.floats(0, 3600))
def test_nothing_is_given_up_while_it_waits_for_calls_to_end(old: float, new: float) -> None:
    def patient(version: str, grace: float) -> Desired:
        plain = site(web=version, db=version)
        workloads = tuple(msgspec.structs.replace(one, grace=grace) for one in plain.workloads)
        return msgspec.structs.replace(plain, workloads=workloads)

    seen = deployed(patient("1", old)).observed
    for step in planned(patient("2", new), seen, release="r2", rise=Rise()).steps:
        match step:
            case Start():
                assert step.deadline > 2 * new
            case Keep():
                assert step.deadline > 2 * max(old, new)
            case Drain() | Retire():
                assert step.deadline > old
            case _:
                pass


def test_proxies_in_front_are_those_of_the_release_that_is_shifted_to() -> None:
    behind = msgspec.structs.replace(site(), trusted=("10.0.0.0/8",))
    world = deployed(behind, deployed(site()).observed, release="r2")
    back = planned(site(), world.observed, release="r1", rise=Rise())
    (shift,) = (step for step in back.steps if isinstance(step, Shift))
    assert (shift.trusted, shift.old_trusted) == ((), ("10.0.0.0/8",))
    assert planned(behind, world.observed, release="r2", rise=Rise()).steps == ()


VERSIONS = st.fixed_dictionaries({name: st.sampled_from("12") for name in ("web", "api", "gateway", "db")})
RISES = st.sampled_from([Rise(), Rise(steps=(10, 100)), Rise(steps=(10, 50, 100)), Rise(steps=(20,))])


@given(releases=st.lists(st.tuples(VERSIONS, RISES), min_size=1, max_size=6), data=st.data())
def test_any_row_of_releases_serves_all_the_time(
    releases: list[tuple[dict[str, str], Rise]], data: st.DataObject
) -> None:
    world = World(site())
    for number, (versions, rise) in enumerate(releases):
        desired, release = site_of(versions), f"r{number}"
        world = deployed(desired, world.observed, release=release, rise=rise)
        assert world.unserved == 0
        assert planned(desired, world.observed, release=release, rise=rise).steps == ()
        if rise.steps[-1] == 100:
            assert world.whole(release)
            assert world.observed.current == release
        known = data.draw(st.sampled_from([one.name for one in world.observed.releases]))
        back = next(one.desired for one in world.observed.releases if one.name == known)
        assert deployed(back, world.observed, release=known).whole(known)


@given(versions=VERSIONS, gone=st.sets(st.integers(0, 4)))
def test_whatever_is_removed_by_hand_is_repaired(versions: dict[str, str], gone: set[int]) -> None:
    desired = site_of(versions)
    seen = deployed(desired, deployed(site()).observed, release="r2").observed
    left = tuple(one for number, one in enumerate(seen.instances) if number not in gone)
    world = deployed(desired, msgspec.structs.replace(seen, instances=left), release="r2")
    assert world.whole("r2")
    assert planned(desired, world.observed, release="r2", rise=Rise()).steps == ()


def test_an_instance_that_failed_is_no_home() -> None:
    failed = Instance(name="api", workload="api", release="r1", digest="d", state="failed")
    seen = Observed(instances=(failed,), releases=(Stored(name="r1", desired=site()),))
    assert homes(site(), seen, "r2")["api"] == "r2"


@pytest.mark.parametrize(
    ("desired", "text"),
    [
        (site(db="2"), "db is stopped and started again: what needs it waits meanwhile"),
        (site(api="2", keep=1), "no rollback to r1 will be possible: one release is kept"),
    ],
)
def test_a_plan_says_what_a_person_should_know(desired: Desired, text: str) -> None:
    assert planned(desired, deployed(site()).observed, release="r2", rise=Rise()).notices == (text,)


def with_data(size: int = 0) -> Desired:
    data = Mount(path="/data", volume="data", writable=True, size=size)
    db = Workload(name="db", kind="service", image="db:1", mounts=(data,))
    return msgspec.structs.replace(site(), workloads=(db, *site().workloads[:3]))


def test_images_come_before_files_since_they_say_whose_secrets_are() -> None:
    kinds = [type(step).__name__ for step in planned(with_data(), Observed(), release="r1", rise=Rise()).steps]
    assert kinds[:6] == ["Bring", "Bring", "Bring", "Bring", "Place", "Keep"]


def test_data_are_not_filled_and_weights_are() -> None:
    weights = Mount(path="/w", volume="w", digest="sha256:1")
    api = Workload(name="api", kind="app", image="api:1", mounts=(weights,))
    plan = planned(
        msgspec.structs.replace(with_data(), workloads=(*with_data().workloads[:1], api)),
        Observed(),
        release="r1",
        rise=Rise(),
    )
    assert [step.volume for step in plan.steps if isinstance(step, Fill)] == ["w"]


@pytest.mark.parametrize(("free", "told"), [(0, 0), (10 << 30, 1), (30 << 30, 0)])
def test_a_plan_says_when_there_is_no_room_for_what_services_will_keep(free: int, told: int) -> None:
    found = planned(with_data(20 << 30), Observed(disk=free), release="r1", rise=Rise()).notices
    assert found == ("services want 20 GiB of disk, and 10 GiB are free",) * told
