"""The edge beside a keeper, whatever its kind."""

from __future__ import annotations

from pathlib import Path

from modelwright.app.deploying.edges import StandingEdge, edge_in, front_in
from modelwright.core.deploying.front import NUMBERS_PORT
from modelwright.deploy.edges.doors import Doors

_RESOLVER = "127.0.0.11:53"
"""Docker's own, inside of every container: it knows the names of instances."""


def edge_beside(folder: Path, kind: str) -> StandingEdge:
    """Both find the folder at the same place. Raises DeployError for a kind that there is not."""
    return edge_in(folder, kind=kind, doors=Doors(folder=str(folder), resolver=_RESOLVER, numbers=f":{NUMBERS_PORT}"))


def standing_edge(folder: Path) -> StandingEdge:
    """Of the kind that it was told to be last."""
    return edge_beside(folder, front_in(folder).kind)
