"""Traefik 3 as an edge of the user's own, for an export: what its file provider reads; streams pass it as they come.

Its middleware that bounds requests holds answers back, too, so `max_body` is left to the programs behind it.
"""

from __future__ import annotations

import re
from typing import Any

from modelwright.core.deploying.front import Front
from modelwright.deploy.edges.doors import Doors
from modelwright.deploy.edges.ways import PERIOD, SILENCE, Way, certified, ways

FILE = "modelwright.yaml"
PLAIN, SECURE = "web", "websecure"
"""Entry points, as Traefik's own documents call them."""


def traefik(front: Front, doors: Doors) -> dict[str, Any]:
    """As it is written in YAML. Raises DeployError for what cannot be told to an edge."""
    doors = certified(front, doors)
    found = ways(front)
    http: dict[str, Any] = {"routers": {}, "services": {}, "middlewares": {}, "serversTransports": {}}
    for rank, way in enumerate(reversed(found), start=1):
        name, secure = _name(way), bool(way.route.tls) and way.route.host in doors.certificates
        asked = [_rule(way)] if way.prefix else []
        rule = " && ".join([*([_host(way.route.host)] if way.route.host else []), *asked]) or "PathPrefix(`/`)"
        router = {"rule": rule, "service": name, "priority": rank, "entryPoints": [SECURE if secure else PLAIN]}
        middlewares = _middlewares(way)
        if middlewares:
            http["middlewares"] |= middlewares
            router["middlewares"] = [*middlewares]
        http["routers"][name] = router | ({"tls": {}} if secure else {})
        if secure:
            sent = {"redirectScheme": {"scheme": "https", "port": str(doors.port), "permanent": True}}
            http["middlewares"]["to-https"] = sent
            plain = {
                "rule": rule,
                "service": name,
                "priority": rank,
                "entryPoints": [PLAIN],
                "middlewares": ["to-https"],
            }
            http["routers"][f"{name}-plain"] = plain
        http["services"] |= _services(way, name, secure=secure)
        silence = f"{round((way.route.timeout or SILENCE) * 1000)}ms"
        http["serversTransports"][name] = {"forwardingTimeouts": {"responseHeaderTimeout": silence}}
    told: dict[str, Any] = {"http": {key: value for key, value in http.items() if value}}
    if doors.certificates:
        files = [{"certFile": path, "keyFile": path} for _, path in sorted(doors.certificates.items())]
        told["tls"] = {"certificates": files}
    return told


def _rule(way: Way) -> str:
    return f"(Path(`{way.prefix}`) || PathPrefix(`{way.prefix}/`))"


def _host(host: str) -> str:
    if not host.startswith("*"):
        return f"Host(`{host}`)"
    return f"HostRegexp(`^.+{re.escape(host.removeprefix('*'))}$`)"


def _middlewares(way: Way) -> dict[str, Any]:
    route, name = way.route, _name(way)
    found: dict[str, Any] = {}
    if route.rate:
        period = f"{round(route.rate_window or PERIOD)}s"
        found[f"{name}-rate"] = {"rateLimit": {"average": route.rate, "period": period, "burst": route.rate}}
    if route.headers:
        found[f"{name}-headers"] = {"headers": {"customResponseHeaders": dict(route.headers)}}
    return found


def _services(way: Way, name: str, *, secure: bool) -> dict[str, Any]:
    """One for each release, and one that divides requests among them."""
    releases: dict[str, list[str]] = {}
    weights: dict[str, int] = {}
    for server, weight in way.servers:
        if weight:
            releases.setdefault(server.release, []).append(server.address)
            weights[server.release] = weights.get(server.release, 0) + weight
    found: dict[str, Any] = {}
    for release, addresses in releases.items():
        balancer: dict[str, Any] = {
            "servers": [{"url": f"http://{address}"} for address in addresses],
            "passHostHeader": True,
            "responseForwarding": {"flushInterval": "1ms"},
            "serversTransport": name,
        }
        if way.cookie:
            kept = {"name": way.cookie, "httpOnly": True, "secure": secure, "sameSite": "lax"}
            balancer["sticky"] = {"cookie": kept}
        found[f"{name}-{release}" if release else f"{name}-all"] = {"loadBalancer": balancer}
    divided: dict[str, Any] = {
        "services": [
            {"name": f"{name}-{release}" if release else f"{name}-all", "weight": weights[release]}
            for release in releases
        ]
    }
    if way.cookie:
        divided["sticky"] = {"cookie": {"name": f"{way.cookie}-release", "httpOnly": True, "sameSite": "lax"}}
    return found | {name: {"weighted": divided}}


def _name(way: Way) -> str:
    return way.route.name.replace(".", "-")
