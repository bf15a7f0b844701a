"""What edges of every kind need to know of a front: which way comes first, who answers there, and with what weight.

What would not be a name, a path or an address in a configuration is refused here, so that no text of a manifest can
become a directive.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

import msgspec

from modelwright.core.addresses import split_address
from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Route
from modelwright.core.errors.deploying import DeployError
from modelwright.deploy.edges.doors import PROOFS, Doors
from modelwright.deploy.edges.weights import weights

ALL = 100
SILENCE = 300.0
"""Seconds for which an instance may say nothing, where a route names none."""
PERIOD = 10.0
"""Seconds over which requests are counted, where a route names none."""
BROWSERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
"""What browsers are told where neither a program nor its route says anything else."""
_SECURE = {"Strict-Transport-Security": "max-age=31536000"}
"""Likewise, at a host with a certificate."""
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,126}[A-Za-z0-9])?", re.ASCII)
_HOST = re.compile(
    r"(?=.{1,253}\Z)(\*\.)?[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*", re.ASCII
)
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]{1,128}){0,16}/?", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9!#&*+.^_|~-]{1,128}", re.ASCII)
"""Of HTTP, less what some edge reads as its own: `$`, `%`, `'` and `` ` ``."""
_VALUE = re.compile(r"[ -~]{0,4096}", re.ASCII)
_PROOF = re.compile(r"[A-Za-z0-9_.-]{1,512}", re.ASCII)
_FILE = re.compile(r"/[A-Za-z0-9/._@+-]{1,1024}", re.ASCII)


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A route with its servers: (server, weight); 0 means that it gets nothing new."""

    route: Route
    servers: tuple[tuple[Server, int], ...]

    @property
    def open(self) -> bool:
        """Whether anybody gets something new there, and runs."""
        return any(weight and not server.down for server, weight in self.servers)

    @property
    def prefix(self) -> str:
        """Without a slash at its end; empty: everything."""
        return self.route.prefix.rstrip("/")

    @property
    def cookie(self) -> str:
        """Name of the cookie that keeps a client where it is."""
        kind, _, name = self.route.affinity.partition(" ")
        return name if kind == "cookie" else ""

    @property
    def header(self) -> str:
        """Name of the header that does."""
        kind, _, name = self.route.affinity.partition(" ")
        return name if kind == "header" else ""


def ways(front: Front) -> list[Way]:
    """In the order in which they are tried: one host before some and those before any, then by length of their prefix.

    Raises DeployError for what no edge could be told safely.
    """
    for problem in _faults(front):
        raise DeployError(problem, hint="mend the manifest, and deploy again")
    order = sorted(front.routes, key=_rank)
    return [Way(route=route, servers=_weighed(front, route)) for route in order]


def headers_of(route: Route, doors: Doors) -> dict[str, str]:
    """Put into answers that have none of the name; one that the route leaves empty is not."""
    secure = _SECURE if route.tls and route.host in doors.certificates else {}
    own = {name.lower() for name in route.headers}
    told = {name: value for name, value in (BROWSERS | secure).items() if name.lower() not in own}
    return told | {name: value for name, value in route.headers.items() if value}


def _rank(route: Route) -> tuple[object, ...]:
    return (not route.host, route.host.startswith("*"), -len(route.host), route.host, -len(route.prefix), route.name)


def certified(front: Front, doors: Doors) -> Doors:
    """With the certificates that routes bring along; raises DeployError for what could not stand in a configuration."""
    tls = [(route.host, route.tls) for route in front.routes if route.tls and route.tls.certificate]
    own = {host: f"{doors.root}{one.certificate}" for host, one in tls}
    return _checked(msgspec.structs.replace(doors, certificates=doors.certificates | own))


def _checked(doors: Doors) -> Doors:
    paths = (doors.folder, *doors.certificates.values())
    hosts = all(_HOST.fullmatch(host) for host in doors.certificates)
    addresses = [doors.resolver] if doors.resolver else []
    proofs = [*doors.proofs.values(), *(path.removeprefix(PROOFS) for path in doors.proofs)]
    listens = [
        f"localhost{each}" if each.startswith(":") else each
        for each in (doors.plain, doors.secure, doors.numbers)
        if each
    ]
    if (
        not hosts
        or not all(map(_PROOF.fullmatch, proofs))
        or not all(map(_FILE.fullmatch, paths))
        or not all(map(_is_address, addresses + listens))
    ):
        raise DeployError("an edge cannot be told to listen there", hint="use plain paths and host:port")
    return doors


def _weighed(front: Front, route: Route) -> tuple[tuple[Server, int], ...]:
    servers = sorted((one for one in front.servers if one.workload == route.workload), key=lambda one: one.name)
    counts: dict[str, int] = {}
    for one in servers:
        counts[one.release] = counts.get(one.release, 0) + 1
    lasting = {"": ALL} if "" in counts else front.shares.get(route.name, {})
    weighed = weights(lasting, counts)
    return tuple((one, weighed[one.release]) for one in servers)


def _faults(front: Front) -> Iterator[str]:
    for route in front.routes:
        yield from (f"route {route.name!r}: {problem}" for problem in _wrong(route))
    if len({route.name for route in front.routes}) < len(front.routes):
        yield "two routes have the same name"
    for one in front.servers:
        if not _NAME.fullmatch(one.name) or not _is_address(one.address):
            yield f"instance {one.name!r} cannot be reached at {one.address!r}"
    for network in front.trusted:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            yield f"{network!r} is no network"


def _wrong(route: Route) -> Iterator[str]:
    if not _NAME.fullmatch(route.name) or not _NAME.fullmatch(route.workload):
        yield "its name and its workload's are letters, digits, dots and hyphens"
    if route.host and not _HOST.fullmatch(route.host):
        yield f"{route.host!r} is no host name in lower case"
    if not route.prefix.startswith("/") or not _PREFIX.fullmatch(route.prefix):
        yield f"{route.prefix!r} is no path of plain segments"
    if route.affinity and not re.fullmatch(rf"(cookie|header) {_TOKEN.pattern}", route.affinity, re.ASCII):
        yield f"{route.affinity!r} is neither a cookie nor a header"
    for name, value in route.headers.items():
        if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            yield f"{name!r} cannot be sent with that value"
    if min(route.max_body, route.rate, route.timeout, route.rate_window) < 0:
        yield "a bound is below zero"


def _is_address(text: str) -> bool:
    try:
        _, port = split_address(text)
    except ValueError:
        return False
    return port > 0
