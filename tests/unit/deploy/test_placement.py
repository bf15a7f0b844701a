"""Instances are spread over a target's hosts, and one that runs stays where it is."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.deploying.observed import Host, Observed
from modelwright.core.deploying.steps import Bring, Fill, Start
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired, Mount, Route, Workload
from modelwright.deploy.planning import planned, world
from tests.unit.deploy.world import World

WEIGHTS = Mount(path="/w", volume="w", digest="sha256:1")


def site(replicas: int = 2) -> Desired:
    """An API with a database."""
    return Desired(
        project="kb",
        environment="production",
        workloads=(
            Workload(name="api", kind="app", image="api:1", replicas=replicas, mounts=(WEIGHTS,), after=("db",)),
            Workload(name="db", kind="service", image="db:1"),
        ),
        routes=(Route(name="all", workload="api"),),
    )


def hosts(*names: str, images: frozenset[str] = frozenset()) -> Observed:
    return Observed(hosts=tuple(Host(name=name, images=images) for name in names), images=images)


def starts(desired: Desired, observed: Observed, release: str = "r1") -> list[tuple[str, ...]]:
    plan = planned(desired, observed, release=release, rise=Rise())
    return [step.hosts for step in plan.steps if isinstance(step, Start)]


def deployed(desired: Desired, observed: Observed) -> Observed:
    """As its instances are then."""
    target = World(desired, observed)
    assert target.carry_out(planned(desired, observed, release="r1", rise=Rise())) == "deployed"
    return target.observed


def test_instances_go_around_the_hosts_and_services_to_the_first() -> None:
    plan = planned(site(3), hosts("a", "b"), release="r1", rise=Rise())
    assert [step.hosts for step in plan.steps if isinstance(step, Start)] == [("a", "b", "a")]
    brought = {step.image: step.hosts for step in plan.steps if isinstance(step, Bring)}
    assert brought == {"api:1": ("a", "b"), "db:1": ("a",)}
    assert [step.hosts for step in plan.steps if isinstance(step, Fill)] == [("a", "b")]
    assert [edit.after for change in plan.changes for edit in change.edits if edit.field == "on"] == ["a, b, a"]


def test_what_a_host_has_is_not_brought_there() -> None:
    images = frozenset({"api:1", "db:1"})
    some = msgspec.structs.replace(
        hosts("a", "b", images=images), hosts=(Host(name="a", images=images), Host(name="b"))
    )
    brought = [step for step in planned(site(), some, release="r1", rise=Rise()).steps if isinstance(step, Bring)]
    assert [(step.image, step.hosts) for step in brought] == [("api:1", ("a", "b"))]


def test_a_host_more_moves_nothing_and_one_less_has_its_instances_made_elsewhere() -> None:
    two = deployed(site(), hosts("a", "b"))
    assert starts(site(), two) == []
    three = msgspec.structs.replace(two, hosts=hosts("a", "b", "c").hosts)
    assert starts(site(), three) == []
    assert world(three) != world(two)
    left = tuple(one for one in two.instances if one.host != "b")
    lost = msgspec.structs.replace(three, hosts=hosts("a", "c").hosts, instances=left)
    assert starts(site(), lost) == [("a", "c")]
    alone = msgspec.structs.replace(
        lost, hosts=(), instances=tuple(msgspec.structs.replace(one, host="") for one in left)
    )
    assert starts(site(), alone) == [()]


def test_an_instance_that_runs_twice_since_its_host_is_back_is_made_one() -> None:
    two = deployed(site(), hosts("a", "b"))
    second = next(one for one in two.instances if one.index == 1)
    twice = (*two.instances, msgspec.structs.replace(second, host="a"))
    assert starts(site(), msgspec.structs.replace(two, instances=twice)) == [("a", "a")]


@given(st.integers(1, 9), st.integers(1, 5), st.sets(st.integers(0, 8)))
def test_what_is_missing_comes_back_where_the_fewest_are_and_then_nothing_is_to_do(
    replicas: int, count: int, gone: set[int]
) -> None:
    names = [f"h{number}" for number in range(count)]
    whole = deployed(site(replicas), hosts(*names))
    spread = Counter(one.host for one in whole.instances if one.workload == "api")
    assert max(spread.values()) - min((spread[name] for name in names), default=0) <= 1
    left = tuple(one for one in whole.instances if one.workload != "api" or one.index not in gone)
    again = deployed(site(replicas), msgspec.structs.replace(whole, instances=left))
    assert all(one in again.instances for one in left)
    assert planned(site(replicas), again, release="r1", rise=Rise()).steps == ()
