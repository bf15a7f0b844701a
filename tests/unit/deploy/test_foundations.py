"""Services can run before all that uses them, and the deploy behind it goes on from there."""

from __future__ import annotations

import msgspec

from modelwright.core.deploying.observed import Observed
from modelwright.core.deploying.steps import Bring, Keep, Place
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Workload
from modelwright.deploy.foundations import foundations
from modelwright.deploy.planning import planned
from tests.unit.deploy.test_planning import site
from tests.unit.deploy.world import World


def test_only_services_are_brought_and_kept_and_nothing_is_recorded() -> None:
    edge = Workload(name="edge", kind="edge", image="haproxy:1")
    desired = msgspec.structs.replace(site(), workloads=(*site().workloads, edge))
    plan = foundations(planned(desired, Observed(), release="r1", rise=Rise()), desired)
    assert [type(step) for step in plan.steps] == [Bring, Place, Keep]
    assert isinstance(plan.steps[0], Bring)
    assert plan.steps[0].image == "db:1"
    world = World(desired)
    world.carry_out(plan)
    after = planned(desired, world.observed, release="r2", rise=Rise())
    assert [step.workload for step in after.steps if isinstance(step, Keep)] == ["edge"]
    assert world.observed.current == ""


def test_without_a_service_there_is_nothing_to_do() -> None:
    desired = msgspec.structs.replace(site(), workloads=site().workloads[:1])
    assert foundations(planned(desired, Observed(), release="r1", rise=Rise()), desired).steps == ()
