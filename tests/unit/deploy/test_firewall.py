"""Which ports lead where is part of a plan, and rules let in what leads somewhere and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from modelwright.core.deploying.observed import Observed, Stored
from modelwright.core.deploying.workloads import Desired, Workload
from modelwright.core.errors.deploying import DeployError
from modelwright.deploy.firewall import nftables, openings
from modelwright.deploy.notices import notices

DESIRED = Desired(
    project="kb",
    environment="production",
    workloads=(
        Workload(name="db", kind="service", image="postgres:16", port=5432),
        Workload(
            name="edge",
            kind="edge",
            image="haproxy:3.2",
            publish=("0.0.0.0:80>8080", "[::]:443>8443", "10.0.0.7:8443>8443", "127.0.0.1:9000>8080"),
        ),
    ),
)


def test_only_what_is_published_is_reached_from_outside() -> None:
    assert [str(one) for one in openings(DESIRED)] == [
        "0.0.0.0:80 leads to edge, for anybody who reaches the host",
        "[::]:443 leads to edge, for anybody who reaches the host",
        "10.0.0.7:8443 leads to edge, for anybody who reaches the host",
        "127.0.0.1:9000 leads to edge, for this host alone",
    ]


def test_a_plan_tells_what_it_opens_and_only_once() -> None:
    told = [*notices(DESIRED, Observed(), "r1")]
    assert "0.0.0.0:80 leads to edge, for anybody who reaches the host" in told
    known = Observed(current="r1", releases=(Stored(name="r1", desired=DESIRED),))
    assert not [line for line in notices(DESIRED, known, "r2") if "leads to" in line]


def test_a_plan_tells_which_services_can_reach_out_and_only_once() -> None:
    told = Workload(name="alertmanager", kind="service", image="am:1", port=9093, outside=True)
    desired = msgspec.structs.replace(DESIRED, workloads=(told, *DESIRED.workloads))
    words = "alertmanager is on the edge's network, too: it can reach what is outside of the host"
    known = Observed(current="r1", releases=(Stored(name="r1", desired=DESIRED),))
    assert [line for line in notices(desired, known, "r2") if "reach" in line] == [words]
    known = Observed(current="r2", releases=(Stored(name="r2", desired=desired),))
    assert not [line for line in notices(desired, known, "r3") if "reach" in line]


@pytest.mark.parametrize("published", ["80", "host.example.com:80>80", "0.0.0.0:80 accept>80"])
def test_what_is_no_address_is_refused(published: str) -> None:
    edge = msgspec.structs.replace(DESIRED.workloads[1], publish=(published,))
    with pytest.raises(DeployError):
        openings(msgspec.structs.replace(DESIRED, workloads=(edge,)))


def test_rules_let_in_what_leads_somewhere_and_nothing_else() -> None:
    rules = nftables(openings(DESIRED))
    assert "fib daddr type local tcp dport { 22, 80, 443 } accept" in rules
    assert "ip daddr 10.0.0.7 tcp dport 8443 accept" in rules
    assert "9000" not in rules
    assert rules.index("accept") < rules.index("counter drop")


def test_hosts_that_are_joined_reach_each_other_and_nobody_else_does() -> None:
    rules = nftables(openings(DESIRED), peers=("10.0.0.2", "fd00::2"))
    assert "ip saddr 10.0.0.2 meta l4proto { tcp, udp } th dport { 2377, 7946, 4789 } accept" in rules
    assert "ip6 saddr fd00::2 meta l4proto { tcp, udp } th dport { 2377, 7946, 4789 } accept" in rules
    assert "4789" not in nftables(openings(DESIRED))
    with pytest.raises(DeployError, match="is no address"):
        nftables((), peers=("10.0.0.2 accept",))
