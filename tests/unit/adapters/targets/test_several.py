"""Several Docker hosts: what keeps them apart is said with the commands that help, and each has a name."""

from __future__ import annotations

import msgspec
import pytest

from modelwright.adapters.targets.docker.names import Names
from modelwright.adapters.targets.docker.several.swarm import Member, apart
from modelwright.adapters.targets.docker.target import host_names

FIRST = Member(name="a", url="ssh://a", node="n1", manager=True, address="10.0.0.1:2377")
OTHER = Member(name="b", url="ssh://b", node="n2")
JOIN = '`docker -H ssh://b swarm join --token "$(docker -H ssh://a swarm join-token -q worker)" 10.0.0.1:2377`'
READY = {"n1": "ready", "n2": "ready"}


@pytest.mark.parametrize(
    ("first", "other", "nodes", "place", "problem", "hint"),
    [
        ({"node": "", "manager": False}, {}, {}, "a", "is not joined", "`docker -H ssh://a swarm init`"),
        ({"manager": False}, {}, {}, "a", "is no manager", "`docker node promote n1`"),
        ({}, {"node": ""}, READY, "b", "is not joined with a", JOIN),
        ({}, {"node": "n9"}, READY, "b", "is joined with others", f"`docker -H ssh://b swarm leave`, then {JOIN}"),
        ({}, {"node": "n1"}, READY, "b", "is the same engine as a", "once"),
        ({}, {}, {**READY, "n2": "down"}, "b", "is down in the eyes of a", "4789/udp"),
    ],
)
def test_what_keeps_hosts_apart_is_said_with_what_helps(
    first: dict[str, object],
    other: dict[str, object],
    nodes: dict[str, str],
    *,
    place: str,
    problem: str,
    hint: str,
) -> None:
    fault = apart([msgspec.structs.replace(FIRST, **first), msgspec.structs.replace(OTHER, **other)], nodes)
    assert fault is not None
    assert fault.place == place
    assert problem in fault.message
    assert hint in fault.hint


def test_those_that_are_joined_are_not_apart() -> None:
    assert apart([FIRST, OTHER], READY) is None


def test_hosts_are_called_as_people_know_them_unless_that_is_one_name_for_two() -> None:
    assert host_names(["ssh://me@a.example.com", "ssh://b:2222"]) == ["a.example.com", "b:2222"]
    assert host_names(["unix:///run/a.sock", "unix:///run/b.sock"]) == ["/run/a.sock", "/run/b.sock"]
    assert host_names(["ssh://a", "ssh://me@a"]) == ["ssh://a", "ssh://me@a"]


def test_names_of_networks_over_several_hosts_are_one_label_each() -> None:
    assert Names("kb", "production").network == "kb.production"
    assert Names("kb", "production", spread=True).network == "kb_production"
    long = Names("k" * 60, "production", spread=True)
    assert len(long.network) == len(long.inner) == 63
    assert long.network != long.inner
