"""A deploy that is cut off anywhere, and gone on with or given up from elsewhere, ends whole."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.deploying.observed import Observed
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired, Gate, Mount, Route, Workload
from modelwright.deploy.planning import planned
from tests.unit.deploy.world import CutOffError, World

GATE = Gate(path="/readyz")


def desired(version: str) -> Desired:
    return Desired(
        project="kb",
        environment="production",
        workloads=(
            Workload(name="web", kind="app", image=f"web:{version}", gate=GATE, after=("api",), port=80),
            Workload(
                name="api", kind="app", image=f"api:{version}", gate=GATE, replicas=2, before=("migrate",), port=8080
            ),
            Workload(name="db", kind="service", image="postgres:16", gate=GATE, port=5432),
            Workload(
                name="model",
                kind="app",
                image="mw:1",
                gate=GATE,
                mounts=(Mount(path="/m", volume="w", digest="d"),),
            ),
        ),
        routes=(Route(name="front", workload="web"), Route(name="back", workload="api", prefix="/api")),
        keep=2,
    )


def deployed(version: str, seen: Observed | None = None) -> World:
    world = World(desired(version), seen)
    plan = planned(world.desired, world.observed, release=version, rise=Rise())
    assert world.carry_out(plan) == "deployed"
    return world


RISE = Rise(steps=(10, 50, 100), pause=1.0)


def acts_of_a_deploy() -> int:
    first = deployed("v1")
    second = World(desired("v2"), first.observed)
    second.cut_after = before = 10_000
    second.carry_out(planned(second.desired, second.observed, release="v2", rise=RISE))
    return before - second.cut_after


@pytest.mark.parametrize("abort", [False, True])
def test_cut_off_anywhere_it_ends_in_the_new_or_the_old(*, abort: bool) -> None:
    outcomes = set[str]()
    for cut in range(acts_of_a_deploy()):
        world = World(desired("v2"), deployed("v1").observed)
        plan = planned(world.desired, world.observed, release="v2", rise=RISE)
        world.cut_after = cut
        with pytest.raises(CutOffError):
            world.carry_out(plan)
        world.cut_after = -1
        outcome = world.carry_out(None, abort=abort) if world.entries else "undone"
        outcomes.add(outcome)
        assert world.whole("v2" if outcome == "deployed" else "v1"), cut
        assert world.unserved == 0
    assert outcomes == {"deployed", "undone"}


@given(cuts=st.lists(st.integers(0, 40), max_size=6), abort=st.booleans())
def test_cut_off_again_and_again_it_ends_whole(*, cuts: list[int], abort: bool) -> None:
    world = World(desired("v2"), deployed("v1").observed)
    plan = planned(world.desired, world.observed, release="v2", rise=RISE)
    for cut in cuts:
        world.cut_after = cut
        try:
            world.carry_out(None if world.entries else plan, abort=abort and bool(world.entries))
        except CutOffError:
            continue
        break
    world.cut_after = -1
    outcome = world.carry_out(None if world.entries else plan, abort=abort and bool(world.entries))
    assert world.whole("v2" if outcome == "deployed" else "v1")
    assert world.unserved == 0


def test_what_never_passes_its_gate_leaves_the_old_one_serving() -> None:
    world = World(desired("v2"), deployed("v1").observed)
    world.unhealthy.add("v2")
    assert world.carry_out(planned(world.desired, world.observed, release="v2", rise=RISE)) == "undone"
    assert world.whole("v1")
    assert world.unserved == 0


def test_undoing_takes_nothing_from_the_release_that_serves_though_it_was_mended_meanwhile() -> None:
    def two(version: str) -> Desired:
        plain = desired(version)
        *others, model = plain.workloads
        return msgspec.structs.replace(plain, workloads=(msgspec.structs.replace(model, replicas=2), *others))

    first = World(two("v1"))
    first.carry_out(planned(first.desired, first.observed, release="v1", rise=Rise()))
    gone = next(one for one in first.observed.instances if one.workload == "model")
    left = tuple(one for one in first.observed.instances if one != gone)
    world = World(two("v2"), msgspec.structs.replace(first.observed, instances=left))
    world.unhealthy.add("v2")
    assert world.carry_out(planned(world.desired, world.observed, release="v2", rise=RISE)) == "undone"
    assert sum(one.workload == "model" for one in world.observed.instances) == 2


def test_a_second_plan_is_empty_and_a_rollback_is_a_plan() -> None:
    world = deployed("v2", deployed("v1").observed)
    assert planned(world.desired, world.observed, release="v2", rise=Rise()).steps == ()
    back = deployed("v1", world.observed)
    assert back.whole("v1")
    assert [one.name for one in back.observed.releases] == ["v1", "v2"]
