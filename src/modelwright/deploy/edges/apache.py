"""Apache 2.4.47 and later as an edge of the user's own, for an export: a virtual host for each host, to be included.

It says which modules it needs. What Apache cannot do by itself is said in a comment: a rate for each client.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from modelwright.core.deploying.front import Front
from modelwright.deploy.edges.doors import Doors
from modelwright.deploy.edges.ways import SILENCE, Way, certified, headers_of, ways

FILE = "modelwright.conf"
MODULES = (
    *("proxy", "proxy_http", "proxy_balancer", "lbmethod_byrequests", "slotmem_shm", "headers", "rewrite"),
    *("remoteip", "env", "ssl", "socache_shmcb"),
)
"""That have to be on."""


def apache(front: Front, doors: Doors) -> str:
    """Raises DeployError for what cannot be told to an edge."""
    doors = certified(front, doors)
    found = ways(front)
    hosts = sorted({way.route.host for way in found}, key=lambda host: (not host, host.startswith("*"), host))
    lines = [f"# Needs the modules {', '.join(MODULES)}."]
    lines += [f"RemoteIPTrustedProxy {network}" for network in front.trusted]
    if front.trusted:
        lines.append("RemoteIPHeader X-Forwarded-For")
    for host in hosts:
        mine = [way for way in found if way.route.host in {host, ""}]
        certificate = doors.certificates.get(host)
        if certificate and any(way.route.tls for way in mine):
            lines += ["", *_sent_on(host, doors), "", *_host(host, mine, doors)]
        else:
            lines += ["", *_host(host, mine, msgspec.structs.replace(doors, certificates={}))]
    return "\n".join(lines) + "\n"


def _sent_on(host: str, doors: Doors) -> Iterator[str]:
    port = "" if doors.port == 443 else f":{doors.port}"
    yield f"<VirtualHost *:{doors.plain.rpartition(':')[2]}>"
    yield from _named(host)
    yield from (
        "    RewriteEngine On",
        f"    RewriteRule ^ https://%{{SERVER_NAME}}{port}%{{REQUEST_URI}} [R=308,L,NE]",
    )
    yield "</VirtualHost>"


def _host(host: str, mine: Sequence[Way], doors: Doors) -> Iterator[str]:
    certificate = doors.certificates.get(host)
    door = doors.secure if certificate else doors.plain
    yield f"<VirtualHost *:{door.rpartition(':')[2]}>"
    yield from _named(host)
    yield "    UseCanonicalName Off"
    if certificate:
        yield from ("    SSLEngine on", "    SSLProtocol -all +TLSv1.2 +TLSv1.3")
        yield from (f"    SSLCertificateFile {certificate}", f"    SSLCertificateKeyFile {certificate}")
    yield from (
        "    ProxyPreserveHost On",
        "    ProxyAddHeaders On",
        "    SetEnv proxy-sendchunked 1",
        "    SetEnv no-gzip 1",
    )
    yield from ("    RequestHeader unset X-Forwarded-For early", "    RequestHeader unset Forwarded early")
    yield f"    RequestHeader set X-Forwarded-Proto {'https' if certificate else 'http'}"
    for way in mine:
        yield from (f"    {line}" for line in _way(host, way, doors))
    yield "</VirtualHost>"


def _named(host: str) -> Iterator[str]:
    if host.startswith("*"):
        yield from (f"    ServerName {host.removeprefix('*.')}", f"    ServerAlias {host}")
    elif host:
        yield f"    ServerName {host}"


def _way(host: str, way: Way, doors: Doors) -> Iterator[str]:
    route = way.route
    name = f"{host.replace('*', 'any')}.{route.name}" if host else route.name
    told = f"timeout={max(1, round(route.timeout or SILENCE))} flushpackets=on upgrade=websocket"
    yield f"<Proxy balancer://{name}>"
    for number, (server, weight) in enumerate(way.servers, start=1):
        if weight:
            yield f"    BalancerMember http://{server.address} {told} loadfactor={min(100, weight)} route=s{number}"
    if way.cookie:
        yield f"    ProxySet stickysession={way.cookie}"
    yield "</Proxy>"
    if route.rate:
        yield f"# {route.rate} requests of one client in {route.rate_window:g} s: no module of Apache's counts them."
    if way.header:
        yield f"# Clients do not stay by their {way.header}: Apache keeps them by a cookie alone."
    yield f'<Location "{way.prefix or "/"}">'
    if way.cookie:
        cookie = f"{way.cookie}=.%{{BALANCER_WORKER_ROUTE}}e; Path=/; HttpOnly; SameSite=Lax"
        yield f'    Header add Set-Cookie "{cookie}" env=BALANCER_ROUTE_CHANGED'
    if route.max_body:
        yield f"    LimitRequestBody {route.max_body}"
    for header, value in headers_of(route, doors).items():
        yield f"    Header setifempty {header} {_quoted(value)}"
    yield f"    ProxyPass balancer://{name}{way.prefix}"
    yield "</Location>"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "\\$")
    return f'"{escaped}"'
