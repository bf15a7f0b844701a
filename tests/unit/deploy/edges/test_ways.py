"""No text of a manifest becomes a directive of an edge, and ways are tried in the right order."""

from __future__ import annotations

from typing import Any

import pytest

from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Route
from modelwright.core.errors.deploying import DeployError
from modelwright.deploy.edges.doors import Doors
from modelwright.deploy.edges.ways import certified, ways

BAD: list[dict[str, Any]] = [
    {"name": "a\n    server x"},
    {"name": "a b"},
    {"workload": "api }"},
    {"host": "kb.example.com; include /etc/passwd"},
    {"host": "kb.example.com\n"},
    {"host": "KB.example.com"},
    {"host": "a.*.example.com"},
    {"host": "kb..example.com"},
    {"prefix": "api"},
    {"prefix": "/api }"},
    {"prefix": "/a\nb"},
    {"prefix": "/a$b"},
    {"prefix": "/a%0a"},
    {"prefix": "//"},
    {"affinity": "cookie a;b"},
    {"affinity": "cookie a b"},
    {"affinity": "header x-user\n"},
    {"affinity": "address"},
    {"headers": {"x-a: b\r\nx": "1"}},
    {"headers": {"x-a": "1\r\nset-cookie: b"}},
    {"headers": {"": "1"}},
    {"max_body": -1},
    {"rate": -1},
]


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_what_could_be_read_as_a_directive_is_refused(bad: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"name": "a", "workload": "api"} | bad
    with pytest.raises(DeployError, match="route"):
        ways(Front(routes=(Route(**fields),)))


@pytest.mark.parametrize("address", ["", "api", "api:0", "api:80 check", "api:80\n", "a;b:80", "[::1]:80\n"])
def test_an_instance_needs_an_address(address: str) -> None:
    server = Server(name="api.r1.0", workload="api", release="r1", address=address)
    with pytest.raises(DeployError, match=r"api\.r1\.0"):
        ways(Front(servers=(server,)))


def test_networks_are_networks() -> None:
    with pytest.raises(DeployError, match="no network"):
        ways(Front(trusted=("10.0.0.0/8 127.0.0.1",)))


def test_two_routes_have_two_names() -> None:
    with pytest.raises(DeployError, match="same name"):
        ways(Front(routes=(Route(name="a", workload="x"), Route(name="a", workload="y"))))


@pytest.mark.parametrize(
    "doors",
    [
        Doors(folder="edge"),
        Doors(folder="/a b"),
        Doors(plain="here"),
        Doors(certificates={"a.example": "/x;y"}),
        Doors(certificates={"a b": "/x"}),
        Doors(resolver="127.0.0.11"),
    ],
    ids=str,
)
def test_doors_are_plain(doors: Doors) -> None:
    with pytest.raises(DeployError):
        certified(Front(), doors)


def test_one_host_comes_before_any_and_long_before_short() -> None:
    routes = (
        Route(name="all", workload="web"),
        Route(name="kb", workload="web", host="kb.example.com"),
        Route(name="some", workload="web", host="*.example.com", prefix="/long/one"),
        Route(name="kb-api", workload="api", host="kb.example.com", prefix="/api"),
        Route(name="v1", workload="gateway", prefix="/v1"),
    )
    assert [way.route.name for way in ways(Front(routes=routes))] == ["kb-api", "kb", "some", "v1", "all"]


def test_what_lasts_has_all_of_its_route() -> None:
    server = Server(name="grafana", workload="grafana", release="", address="10.0.0.1:3000")
    front = Front(routes=(Route(name="graphs", workload="grafana"),), servers=(server,), shares={"graphs": {"r1": 100}})
    assert [weight for _, weight in ways(front)[0].servers] == [100]
