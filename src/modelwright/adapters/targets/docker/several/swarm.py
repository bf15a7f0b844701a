"""Whether engines are joined, as their users do it once by Docker's own means, so that networks reach over all of them.

Nothing else of a swarm is used: no services, no scheduling.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from modelwright.adapters.targets.docker.engine import Engine
from modelwright.core.errors.deploying import DeployError


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A host, by what its engine says of the swarm that it is in."""

    name: str
    url: str
    node: str = ""
    """Empty: it is in none."""
    manager: bool = False
    address: str = ""
    """Of a manager, where others join."""


async def see_joined(engines: Mapping[str, Engine]) -> None:
    """By name; the first one has to be a manager. Raises DeployError with the commands that join them."""
    members = await asyncio.gather(*(_member(name, engine) for name, engine in engines.items()))
    first, nodes = next(iter(engines.values())), dict[str, str]()
    if members[0].manager:
        api = await first.api()
        nodes = {one["ID"]: one["Status"]["State"] for one in await first.call(api.nodes)}
    fault = apart(members, nodes)
    if fault is not None:
        raise fault


def apart(members: Sequence[Member], nodes: Mapping[str, str]) -> DeployError | None:
    """What keeps them apart, with what helps; `nodes`: states by id, as the first one sees them."""
    first, *others = members
    if not first.node:
        return _fault(first, "is not joined with the others", f"`docker -H {first.url} swarm init`, then plan again")
    if not first.manager:
        hint = f"name a manager first in `hosts`, or promote this one, at a manager: `docker node promote {first.node}`"
        return _fault(first, "is no manager of its swarm, as the first of several hosts has to be", hint)
    seen = {first.node: first.name}
    for one in others:
        token = f'"$(docker -H {first.url} swarm join-token -q worker)"'
        join = f"`docker -H {one.url} swarm join --token {token} {first.address}`"
        if not one.node:
            return _fault(one, f"is not joined with {first.name}", join)
        if one.node in seen:
            return _fault(one, f"is the same engine as {seen[one.node]}", "name each of them once in `hosts`")
        if one.node not in nodes:
            hint = f"`docker -H {one.url} swarm leave`, then {join}"
            return _fault(one, f"is joined with others, not with {first.name}", hint)
        if nodes[one.node] != "ready":
            hint = "see that 2377/tcp, 7946/tcp, 7946/udp and 4789/udp are open between the hosts"
            return _fault(one, f"is {nodes[one.node]} in the eyes of {first.name}", hint)
        seen[one.node] = one.name
    return None


async def _member(name: str, engine: Engine) -> Member:
    api = await engine.api()
    swarm: dict[str, Any] = (await engine.call(api.info)).get("Swarm") or {}
    node = swarm.get("NodeID", "") if swarm.get("LocalNodeState") == "active" else ""
    addresses = (one["Addr"] for one in swarm.get("RemoteManagers") or () if one["NodeID"] == node)
    manager = bool(swarm.get("ControlAvailable"))
    return Member(name=name, url=engine.host, node=node, manager=manager, address=next(addresses, ""))


def _fault(member: Member, problem: str, hint: str) -> DeployError:
    return DeployError(f"the host {member.name} {problem}", hint=hint, place=member.name)
