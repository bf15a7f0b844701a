"""Routes of the manifest as ways in, and the edge that they go through."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from modelwright.app.deploying.desired.apps import secret_mount
from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.deploying.desired.values import Values
from modelwright.app.deploying.sections.routes import RouteSection, TlsSection
from modelwright.app.deploying.sections.targets import TargetSection
from modelwright.app.manifest.load import LoadedManifest
from modelwright.core.deploying.edges import haproxy_command, nginx_command
from modelwright.core.deploying.front import EDGE_FOLDER, EDGE_VOLUME, PLAIN_PORT, SECURE_PORT
from modelwright.core.deploying.places import SECRETS
from modelwright.core.deploying.workloads import Mount, Route, Tls, Workload
from modelwright.core.quantities import parse_duration, parse_rates, parse_size

EDGE = "edge"
IMAGES = {"haproxy": "haproxy:3.2", "nginx": "nginx:1.28"}
_WINDOWS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0, "month": 30 * 86400.0}


def routes_of(sections: Mapping[str, RouteSection]) -> tuple[Route, ...]:
    """One for each path."""
    return tuple(sorted(_routes(sections), key=lambda route: route.name))


def edge_workload(loaded: LoadedManifest, target: TargetSection, *, values: Values, brought: Brought) -> Workload:
    """What stands in front: its configuration is made on the target, from the routes and from what runs."""
    base = loaded.base_dir
    certificates: list[Mount] = []
    for name, route in sorted(loaded.manifest.routes.items()):
        tls = route.tls
        if tls is not None and tls.certificate and tls.key is not None:
            chain = (base / tls.certificate).read_text("utf-8").strip()
            both = f"{chain}\n{values.fill(tls.key).strip()}\n"
            certificates.append(secret_mount(_certificate(name), both, brought))
    return Workload(
        name=EDGE,
        kind="edge",
        image=target.edge if target.kind == "local" else target.edge_image or IMAGES[target.edge],
        command=haproxy_command() if target.edge == "haproxy" else nginx_command(),
        mounts=(Mount(path=EDGE_FOLDER, volume=EDGE_VOLUME, writable=True), *certificates),
        port=PLAIN_PORT,
        publish=published(target, loaded.manifest.routes),
    )


def published(target: TargetSection, routes: Mapping[str, RouteSection]) -> tuple[str, ...]:
    """Addresses of the host that lead to the edge."""
    secure = any(route.tls is not None for route in routes.values())
    doors = ((target.doors.http, PLAIN_PORT), (target.doors.https if secure else "", SECURE_PORT))
    return tuple(f"{address}>{inside}" for address, inside in doors if address)


def route_name(route: str, prefix: str) -> str:
    """`kb` for all of it, `kb.api.v1` for what is below /api/v1."""
    words = re.sub(r"[^A-Za-z0-9_-]+", ".", prefix).strip(".")
    return f"{route}.{words}" if words else route


def _routes(sections: Mapping[str, RouteSection]) -> Iterator[Route]:
    for name, section in sections.items():
        rate = parse_rates(section.rate_limit)[0] if section.rate_limit else (0, "minute")
        for prefix, workload in section.paths.items():
            yield Route(
                name=route_name(name, prefix),
                workload=workload,
                host=section.host,
                prefix=prefix,
                tls=_tls(name, section.tls) if section.tls is not None else None,
                affinity=_affinity(section),
                max_body=parse_size(section.max_body) if section.max_body else 0,
                timeout=parse_duration(section.timeout),
                rate=rate[0],
                rate_window=_WINDOWS[rate[1]] if rate[0] else 0.0,
                headers=dict(sorted(section.headers.items())),
            )


def _tls(name: str, tls: TlsSection) -> Tls:
    return Tls(certificate=_certificate(name) if tls.certificate else "", acme=tls.acme, directory=tls.directory)


def _certificate(route: str) -> str:
    return f"{SECRETS}/tls-{route}.pem"


def _affinity(section: RouteSection) -> str:
    if section.affinity is None:
        return ""
    return f"cookie {section.affinity.cookie}" if section.affinity.cookie else f"header {section.affinity.header}"
