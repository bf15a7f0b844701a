"""The edge beside a keeper, whatever its kind."""

from __future__ import annotations

from pathlib import Path

from modelwright.app.deploying.edges import StandingEdge, edge_in
from modelwright.core.addresses import split_address
from modelwright.core.deploying.front import NUMBERS_PORT, PLAIN_PORT, SECURE_PORT, Front
from modelwright.deploy.edges.doors import Doors

_RESOLVER = "127.0.0.11:53"
"""Docker's own, inside of every container: it knows the names of instances."""


def edge_beside(folder: Path, front: Front) -> StandingEdge:
    """Both find the folder at the same place. Raises DeployError for a kind that there is not."""
    return edge_in(
        folder, kind=front.kind, doors=Doors(folder=str(folder), resolver=_RESOLVER, numbers=f":{NUMBERS_PORT}")
    )


def edge_here(folder: Path, front: Front, *, root: Path) -> StandingEdge:
    """One that is a process beside the keeper; what it finds is below `root`. Raises DeployError likewise."""
    outside = {inside: address for address, _, inside in (each.partition(">") for each in front.publish)}
    plain, secure = (outside.get(str(port), f"127.0.0.1:{port}") for port in (PLAIN_PORT, SECURE_PORT))
    doors = Doors(folder=str(folder), root=str(root), plain=plain, secure=secure, port=split_address(secure)[1])
    return edge_in(folder, kind=front.kind, doors=doors)
