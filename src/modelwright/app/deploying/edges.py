"""Puts an edge together: what composes its configuration, and what speaks to it while it runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from modelwright.adapters.edges.haproxy import HAProxyEdge
from modelwright.adapters.edges.nginx import NginxEdge
from modelwright.core.errors.deploying import DeployError
from modelwright.core.ports.deploying.edges import Edge
from modelwright.deploy.edges import haproxy, nginx
from modelwright.deploy.edges.doors import Doors


def edge_in(folder: Path, *, kind: str, doors: Doors) -> Edge:
    """The one that shares this folder; `doors` are as it sees them itself."""
    match kind:
        case "haproxy":
            return HAProxyEdge(folder, partial(haproxy.composed, doors=doors))
        case "nginx":
            return NginxEdge(folder, partial(nginx.composed, doors=doors))
        case _:
            raise DeployError(f"there is no edge of kind {kind!r}", hint="write `edge: haproxy`, or nginx")
