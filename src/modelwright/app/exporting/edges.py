"""A manifest's routes as the configuration of an edge of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Literal

import msgspec
from ruamel.yaml import YAML

from modelwright.app.deploying.desired.routes import EDGE, published, routes_of
from modelwright.app.deploying.services import KINDS
from modelwright.app.manifest.load import sketch
from modelwright.app.manifest.schema import Manifest
from modelwright.core.addresses import split_address
from modelwright.core.deploying.edges import HAPROXY_FILE, NGINX_FILE
from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Route, Tls
from modelwright.core.errors.starting import StartError
from modelwright.deploy.edges import apache, haproxy, nginx, traefik
from modelwright.deploy.edges.doors import Doors
from modelwright.deploy.firewall import nftables, opening

Kind = Literal["haproxy", "nginx", "traefik", "apache"]
_GATEWAY = "gateway"


def rendered(manifest: Path, *, kind: Kind, environment: str, folder: str, certificates: str) -> tuple[str, str]:
    """(name of the file, its text): requests go to `NAME:PORT` of apps and of the gateway.

    `folder` is for what the edge needs itself, in `certificates` lies HOST.pem with chain and key; both as it sees
    them. No variable and no secret is looked up. Raises ManifestError; StartError when no route is named.
    """
    read = sketch(manifest, environment=environment).manifest
    if not read.routes:
        raise StartError("the manifest names no route", hint="write `routes`", place=str(manifest))
    routes = tuple(_without_certificate(route) for route in routes_of(read.routes))
    secure = sorted({route.host for route in routes if route.tls is not None and route.host})
    doors = Doors(
        folder=folder, plain=":80", secure=":443", certificates={host: f"{certificates}/{host}.pem" for host in secure}
    )
    servers = tuple(_server(name, read) for name in sorted({route.workload for route in routes}))
    trusted = tuple(map(str, read.gateway.trusted_proxies))
    front = Front(kind=kind, routes=routes, servers=servers, trusted=trusted)
    match kind:
        case "haproxy":
            return HAPROXY_FILE, haproxy.composed(front, (), doors).text
        case "nginx":
            return NGINX_FILE, nginx.composed(front, (), doors).text
        case "apache":
            return apache.FILE, apache.apache(front, doors)
        case "traefik":
            text = StringIO()
            YAML().dump(traefik.traefik(front, doors), text)
            return traefik.FILE, text.getvalue()


def _without_certificate(route: Route) -> Route:
    return msgspec.structs.replace(route, tls=Tls()) if route.tls is not None else route


def _server(name: str, manifest: Manifest) -> Server:
    if name == _GATEWAY:
        port = split_address(manifest.gateway.listen)[1]
    else:
        port = manifest.apps[name].port if name in manifest.apps else KINDS[name].port
    return Server(name=name, workload=name, release="", address=f"{name}:{port}")


def firewall(manifest: Path, *, environment: str, also: Sequence[int], peers: Sequence[str]) -> str:
    """Rules for the hosts of the environment's target: only what leads to the edge, and `also`, is let in.

    Raises ManifestError; StartError when no target is named, or one of several hosts without the addresses of all.
    """
    read = sketch(manifest, environment=environment).manifest
    target = read.targets.get(read.target)
    if target is None:
        hint = f"write `target` under environments.{environment}"
        raise StartError("the manifest names no target", hint=hint, place=str(manifest))
    if len(target.hosts) > 1 and not peers:
        problem = f"the target {read.target} has {len(target.hosts)} hosts, which would not reach each other any more"
        hint = "name the address of each, as the others know it: --peer 10.0.0.1 --peer 10.0.0.2"
        raise StartError(problem, hint=hint, place=str(manifest))
    doors = published(target, read.routes) if read.routes else ()
    return nftables([opening(address, workload=EDGE) for address in doors], also=also, peers=peers)
