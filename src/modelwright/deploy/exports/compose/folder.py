"""What lies beside a compose file: configuration, secrets, weights, and the edge's own file; texts and places only."""

from __future__ import annotations

import msgspec

from modelwright.core.deploying.edges import HAPROXY_FILE, NGINX_FILE
from modelwright.core.deploying.front import EDGE_FOLDER, NUMBERS_PORT, Front, Server
from modelwright.core.deploying.places import SECRETS
from modelwright.core.deploying.workloads import Desired, Mount, Workload
from modelwright.core.errors.deploying import DeployError
from modelwright.deploy.edges import haproxy, nginx
from modelwright.deploy.edges.doors import Doors

FILE = "compose.yaml"
EXAMPLE = ".env.example"
_DNS = "127.0.0.11:53"
"""Docker's own, in every container of a network that somebody made."""
_RELEASE = "only"
_EDGES = {"haproxy": (HAPROXY_FILE, haproxy.composed), "nginx": (NGINX_FILE, nginx.composed)}


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Content that is copied into the folder."""

    path: str
    """Relative."""
    digest: str
    secret: bool = False
    archive: bool = False
    """A tar, whose files lie below the path."""


def pieces(desired: Desired) -> dict[str, Piece]:
    """By relative path, whatever mounts refer to."""
    found: dict[str, Piece] = {}
    for workload in desired.workloads:
        for mount in workload.mounts:
            path = place(workload, mount)
            if path:
                found[path] = Piece(path=path, digest=mount.digest, secret=mount.secret, archive=bool(mount.volume))
    return found


def place(workload: Workload, mount: Mount) -> str:
    """Where its content lies in the folder; empty for data, which are in a volume."""
    if mount.volume:
        return f"weights/{mount.volume}" if mount.digest else ""
    name = mount.path.removeprefix(f"{SECRETS}/").strip("/")
    return f"{'secrets' if mount.secret else 'files'}/{workload.name}/{name}"


def edge_file(desired: Desired) -> tuple[str, str, str]:
    """(place in the folder, place in the container, text) of the edge's configuration; empty without an edge.

    Raises DeployError for certificates that would have to be asked for: nobody here does.
    """
    if not any(workload.kind == "edge" for workload in desired.workloads):
        return "", "", ""
    for route in desired.routes:
        if route.tls is not None and route.tls.acme:
            hint = "give the route a certificate of your own, or deploy to a target of kind docker"
            raise DeployError("Compose asks for no certificates", hint=hint, place=f"routes.{route.name}.tls")
    name, composed = _EDGES[desired.edge]
    reached = {route.workload for route in desired.routes}
    servers = tuple(
        Server(
            name=f"{workload.name}-{number}",
            workload=workload.name,
            release="" if workload.lasting else _RELEASE,
            address=f"{workload.name}:{workload.port}",
        )
        for workload in desired.workloads
        if workload.name in reached
        for number in range(1, workload.replicas + 1)
    )
    shares = {route.name: {_RELEASE: 100} for route in desired.routes}
    front = Front(kind=desired.edge, routes=desired.routes, servers=servers, shares=shares, trusted=desired.trusted)
    return (
        f"edge/{name}",
        f"{EDGE_FOLDER}/{name}",
        composed(front, (), Doors(resolver=_DNS, numbers=f":{NUMBERS_PORT}")).text,
    )
