"""The configuration of HAProxy 2.6 and later for a front: weights, addresses and drain can be set while it runs.

Its first line names who is in which place; `description` is a digest of all that only a reload can change. Streams are
passed on as they come (HAProxy holds no answer back and compresses none), to HTTP/1.1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from modelwright.core.addresses import join_address, split_address
from modelwright.core.deploying.edges import HAPROXY_SOCKET, Composed, Place, noted
from modelwright.core.deploying.front import Front
from modelwright.core.deploying.workloads import Route
from modelwright.deploy.edges.answers import NOWHERE, TOO_LARGE, TOO_MANY, UNAVAILABLE, UNMEASURED
from modelwright.deploy.edges.doors import Doors
from modelwright.deploy.edges.slots import left, placed
from modelwright.deploy.edges.ways import PERIOD, SILENCE, Way, certified, headers_of, ways

_DAY = 86_400.0
_FREE = "192.0.2.1:1"
"""Stands in a free place; an address for documents, which nobody has."""


def composed(front: Front, before: Sequence[Place], doors: Doors) -> Composed:
    """Who had a place `before` stays in it. Raises DeployError for what cannot be told to an edge."""
    doors = certified(front, doors)
    found = ways(front)
    places = [*placed(found, before, front.servers)]
    fixed = [*_defaults(found, doors), "", *_doors(found, front, doors), "", *_nowhere(), *_numbers(doors)]
    backends = {each.route.name: [*_backend(each, doors)] for each in found}
    shape = hashlib.sha256(
        msgspec.json.encode((fixed, backends, [(one.route, one.name) for one in places]))
    ).hexdigest()
    lines = [noted([*places, *left(found, before, front.servers)]), *_global(shape, doors), "", *fixed]
    for each in found:
        name = each.route.name
        lines += ["", *backends[name], *(_server(each, place) for place in places if place.route == name)]
    return Composed(text="\n".join(lines) + "\n", shape=shape, places=tuple(places))


def _global(shape: str, doors: Doors) -> Iterator[str]:
    yield from ("global", f"    description {shape}", "    fd-hard-limit 100000", "    hard-stop-after 1h")
    yield f"    stats socket {doors.folder}/{HAPROXY_SOCKET} mode 666 level admin"
    yield "    ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets"
    yield from ("", "ring seen", "    format raw", "    maxlen 512", "    size 2097152")


def _defaults(found: Sequence[Way], doors: Doors) -> Iterator[str]:
    longest = max([SILENCE, *(each.route.timeout for each in found)])
    if doors.resolver:
        yield from ("resolvers names", f"    nameserver names {doors.resolver}", "    accepted_payload_size 8192")
        yield from ("    timeout resolve 1s", "    timeout retry 1s", "    hold valid 2s", "")
    yield from ("defaults", "    mode http", "    log ring@seen local0", "    option http-no-delay")
    # A client that keeps its connection over a reload is told so in its next answer, instead of finding it closed.
    yield from (
        "    option idle-close-on-response",
        "    option forwardfor",
        "    option redispatch 1",
        "    retries 3",
    )
    yield from ("    retry-on conn-failure empty-response", "    timeout connect 5s", "    timeout queue 10s")
    yield from ("    timeout http-request 30s", "    timeout http-keep-alive 75s", f"    timeout client {_ms(longest)}")
    resolved = " resolvers names resolve-prefer ipv4" if doors.resolver else ""
    yield f"    default-server init-addr last,libc,none inter 2s fastinter 1s fall 2 rise 1{resolved}"


def _doors(found: Sequence[Way], front: Front, doors: Doors) -> Iterator[str]:
    yield from ("frontend doors", f"    bind {doors.plain}")
    if doors.certificates:
        files = " ".join(f"crt {path}" for _, path in sorted(doors.certificates.items()))
        yield f"    bind {doors.secure} ssl {files} alpn h2,http/1.1"
    yield '    log-format "%Ts.%ms %b %s %ST %ts %Tr %Ta"'
    yield from _clients(front)
    yield "    http-request set-var(txn.host) req.hdr(host),field(1,:),lower,rtrim(.)"
    # Whether a request may be sent once more when an instance has closed its connection, nobody but a client knows.
    yield "    http-request disable-l7-retry unless { method GET HEAD OPTIONS }"
    for path, text in doors.proofs.items():
        yield f"    http-request return status 200 content-type text/plain string {text} if {{ path -m str {path} }}"
    for host in sorted({each.route.host for each in found if each.route.tls} & {*doors.certificates}):
        port = "" if doors.port == 443 else f":{doors.port}"
        asked = f"{_at(host)} {{ req.hdr(X-Forwarded-Proto) http }}"
        yield f"    http-request redirect location https://%[var(txn.host)]{port}%[pathq] code 308 if {asked}"
    for each in found:
        yield f"    use_backend route.{each.route.name}{_asked(each)}"
    yield "    default_backend nowhere"


def _clients(front: Front) -> Iterator[str]:
    """Who calls, by an address that he cannot make up himself."""
    said = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP", "Forwarded")
    unless = ""
    yield "    http-request set-var(txn.client) src"
    if front.trusted:
        unless = " unless trusted"
        yield f"    acl trusted src {' '.join(front.trusted)}"
        last = "req.hdr_ip(X-Forwarded-For,-1)"
        yield f"    http-request set-var(txn.client) {last} if trusted {{ {last} -m found }}"
    yield from (f"    http-request del-header {name}{unless}" for name in said)
    told = "{ req.hdr(X-Forwarded-Proto) -m found }"
    yield f"    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }} !{told}"
    yield f"    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }} !{told}"


def _asked(way: Way) -> str:
    """The condition under which a request takes it."""
    host = f"{_at(way.route.host)} " if way.route.host else ""
    if not way.prefix:
        return f" if {host}".rstrip() if host else " if TRUE"
    return f" if {host}{{ path -m str {way.prefix} }} or {host}{{ path -m beg {way.prefix}/ }}"


def _at(host: str) -> str:
    return f"{{ var(txn.host) -m {'end' if host.startswith('*') else 'str'} {host.removeprefix('*')} }}"


def _nowhere() -> Iterator[str]:
    yield from ("backend nowhere", f"    http-request return {NOWHERE.haproxy}")


def _numbers(doors: Doors) -> Iterator[str]:
    """Unless it was built without."""
    if doors.numbers:
        yield from ("", ".if feature(PROMEX)", "frontend numbers", f"    bind {doors.numbers}", "    no log")
        yield "    http-request use-service prometheus-exporter if { path /metrics }"
        yield from (f"    http-request return {NOWHERE.haproxy}", ".endif")


def _backend(way: Way, doors: Doors) -> Iterator[str]:
    route = way.route
    yield f"backend route.{route.name}"
    silence = _ms(route.timeout or SILENCE)
    yield from (f"    timeout server {silence}", f"    timeout tunnel {silence}")
    if way.header:
        yield from (f"    balance hdr({way.header})", "    hash-type consistent")
    else:
        yield "    balance roundrobin"
    if way.cookie:
        secure = " secure" if route.tls and route.host in doors.certificates else ""
        yield f"    cookie {way.cookie} insert indirect nocache httponly{secure} attr SameSite=Lax"
    if route.rate:
        rate, period = _bounded(route)
        yield f"    stick-table type ipv6 size 100k expire {_ms(2 * period)} store http_req_rate({_ms(period)})"
        yield "    http-request track-sc0 var(txn.client)"
        over = f"{{ sc_http_req_rate(0) gt {rate} }}"
        yield f"    http-request return {TOO_MANY.haproxy} hdr Retry-After {max(1, round(period))} if {over}"
    if route.max_body:
        yield f"    http-request return {TOO_LARGE.haproxy} if {{ req.hdr_val(content-length) gt {route.max_body} }}"
        unknown = "!{ req.hdr(content-length) -m found }"
        yield f"    http-request return {UNMEASURED.haproxy} if {unknown} {{ req.hdr(transfer-encoding) -m found }}"
        yield f"    http-request return {UNMEASURED.haproxy} if {unknown} {{ req.ver 2.0 }} {{ method POST PUT PATCH }}"
    for name, value in headers_of(route, doors).items():
        there = f"{{ res.hdr({name}) -m found }}"
        yield f"    http-after-response set-header {name} {_quoted(value)} unless {there}"
    yield f"    http-error {UNAVAILABLE.haproxy} hdr Retry-After 1"


def _server(way: Way, place: Place) -> str:
    host, port = split_address(place.server.address if place.server else _FREE)
    kept = f" cookie {place.name}" if way.cookie else ""
    state = "" if place.weight else " disabled"
    # Nobody waits at the start until all servers for names have said that they do not know it.
    unknown = " init-addr none" if place.server and place.server.down else ""
    return f"    server {place.name} {join_address(host, port)} weight {place.weight}{kept} check{unknown}{state}"


def _bounded(route: Route) -> tuple[int, float]:
    """Requests in a time that HAProxy can count over: a day at most."""
    period = route.rate_window or PERIOD
    return (route.rate, period) if period <= _DAY else (max(1, round(route.rate * _DAY / period)), _DAY)


def _quoted(value: str) -> str:
    """As one word of which nothing is read but the text."""
    return "'" + value.replace("%", "%%").replace("'", "'\\''") + "'"


def _ms(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"
