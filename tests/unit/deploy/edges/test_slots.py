"""Places: nobody is moved who stays, and nobody is left without."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Route
from modelwright.deploy.edges.slots import LEAST, placed
from modelwright.deploy.edges.ways import ways

NAMES = st.sets(st.integers(1, 40).map(lambda number: f"api.r1.{number}"), max_size=30)


def front(names: set[str]) -> Front:
    servers = (Server(name=name, workload="api", release="r1", address="10.0.0.1:80") for name in names)
    return Front(
        routes=(Route(name="a", workload="api"), Route(name="b", workload="api", prefix="/b")),
        servers=tuple(servers),
        shares={"a": {"r1": 100}, "b": {"r1": 100}},
    )


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_nobody_is_moved_and_nobody_is_left_out(looks: list[set[str]]) -> None:
    before = []
    for names in looks:
        now = [*placed(ways(front(names)), before)]
        for route in ("a", "b"):
            here = {one.name: one.server.name if one.server else "" for one in now if one.route == route}
            earlier = {one.name: one.server.name if one.server else "" for one in before if one.route == route}
            assert {name for name in here.values() if name} == names
            assert len([name for name in here.values() if name]) == len(names)
            assert all(here[place] == name for place, name in earlier.items() if name in names)
            assert max(LEAST, len(earlier)) <= len(here) <= max(LEAST, len(earlier), 2 * len(names))
        before = now
