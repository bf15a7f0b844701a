"""The configuration of nginx 1.22 and later for a front; it is read anew by a reload, also for weights.

An instance without a share is left out: workers of before go on with what they have. So is one that does not run, as
nginx does not start with a name that means no address. Streams are neither held back nor
compressed, and go to HTTP/1.1; each has a connection of its own to its instance, so that connections can be counted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

import msgspec

from modelwright.core.deploying.edges import NGINX_KEEPS, NGINX_LOG, NGINX_PID, NGINX_SOCKET, Composed, Place, noted
from modelwright.core.deploying.front import Front
from modelwright.core.errors.deploying import DeployError
from modelwright.deploy.edges.answers import NOWHERE, TOO_LARGE, TOO_MANY, UNAVAILABLE, Answer
from modelwright.deploy.edges.doors import PROOFS, Doors
from modelwright.deploy.edges.ways import PERIOD, SILENCE, Way, certified, headers_of, ways

_VARIABLE = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_KEPT = ("X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP", "Forwarded")


def composed(front: Front, _: Sequence[Place], doors: Doors) -> Composed:
    """It has no places to stay in, whoever had one before. Raises DeployError for what cannot be told to an edge."""
    doors = certified(front, doors)
    found = ways(front)
    places = tuple(
        Place(route=each.route.name, name=server.name, server=server, weight=weight)
        for each in found
        for server, weight in each.servers
    )
    behind = {place.name for place in places}
    left = tuple(Place(route="", name=one.name, server=one) for one in front.servers if one.name not in behind)
    body = [*_http(front, doors), *(line for each in found for line in _beside(each, doors)), *_servers(found, doors)]
    shape = hashlib.sha256(msgspec.json.encode(body)).hexdigest()
    told = f"server {{ listen unix:{doors.folder}/{NGINX_SOCKET}; access_log off; return 200 {shape}; }}"
    lines = [noted([*places, *left]), *_head(doors), "http {", *(f"    {line}" for line in [*body, told]), "}"]
    return Composed(text="\n".join(lines) + "\n", shape=shape, places=places)


def _head(doors: Doors) -> Iterator[str]:
    yield from ("worker_processes auto;", f"pid {doors.folder}/{NGINX_PID};", "error_log stderr warn;")
    yield from ("worker_shutdown_timeout 1h;", "events { worker_connections 8192; }")


def _http(front: Front, doors: Doors) -> Iterator[str]:
    folders = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    yield from (f"{name}_temp_path {doors.folder}/{name};" for name in folders)
    yield from ("server_tokens off;", "gzip off;", "tcp_nodelay on;", "keepalive_timeout 75s;", "access_log off;")
    yield f"include {doors.folder}/{NGINX_KEEPS}*;"
    yield from ("client_header_timeout 30s;", "server_names_hash_bucket_size 256;", "map_hash_bucket_size 256;")
    times = "$upstream_header_time $request_time $request_completion"
    yield f"log_format seen '$msec $proxy_host $upstream_addr $status {times}';"
    yield 'geo $dollar { default "$"; }'
    yield from _clients(front)
    yield from ("proxy_http_version 1.1;", "proxy_buffering off;", "proxy_connect_timeout 5s;")
    yield from ("proxy_next_upstream error;", "limit_req_status 429;")
    yield 'map $http_upgrade $connection_asked { default upgrade; "" close; }'
    yield from ("proxy_set_header Host $http_host;", "proxy_set_header Upgrade $http_upgrade;")
    yield from ("proxy_set_header Connection $connection_asked;", "proxy_set_header X-Forwarded-For $forwarded_for;")
    yield "proxy_set_header X-Forwarded-Proto $forwarded_proto;"
    yield from (f"proxy_set_header {name} $kept{number};" for number, name in enumerate(_KEPT))


def _clients(front: Front) -> Iterator[str]:
    """Who calls, by an address that he cannot make up himself."""
    networks = " ".join(f"{network} 1;" for network in front.trusted)
    yield f"geo $realip_remote_addr $trusted {{ default 0; {networks} }}"
    yield from (f"set_real_ip_from {network};" for network in front.trusted)
    yield "real_ip_header X-Forwarded-For;"
    kept = '"~^1." "$http_x_forwarded_for, $realip_remote_addr";'
    yield f'map "$trusted$http_x_forwarded_for" $forwarded_for {{ {kept} default $realip_remote_addr; }}'
    kept = '"1https" https; "1http" http;'
    yield f'map "$trusted$http_x_forwarded_proto" $forwarded_proto {{ {kept} default $scheme; }}'
    for number, name in enumerate(_KEPT):
        yield f'map $trusted $kept{number} {{ 1 $http_{_variable(name)}; default ""; }}'
    asked = f'"~^http:{re.escape(PROOFS)}" 0; "~^http:" 1;'
    yield f'map "$forwarded_proto:$uri" $insecure {{ {asked} default 0; }}'


def _beside(way: Way, doors: Doors) -> Iterator[str]:
    """What stands outside of servers: the instances of a route, and what is looked up for it."""
    route, name = way.route, _word(way)
    if way.cookie:
        secure = "; Secure" if route.tls and route.host in doors.certificates else ""
        own = f"$cookie_{_checked(way.cookie)}"
        yield f'map {own} $key_{name} {{ "" $request_id; default {own}; }}'
        cookie = f'"{way.cookie}=$request_id; Path=/; HttpOnly; SameSite=Lax{secure}"'
        yield f'map {own} $cookie_of_{name} {{ "" {cookie}; default ""; }}'
    if way.header:
        own = f"$http_{_variable(way.header)}"
        yield f'map {own} $key_{name} {{ "" $request_id; default {own}; }}'
    if route.rate:
        a_minute = max(1, int(route.rate * 60 / (route.rate_window or PERIOD)))
        yield f"limit_req_zone $binary_remote_addr zone=rate.{route.name}:10m rate={a_minute}r/m;"
    for number, (header, value) in enumerate(headers_of(route, doors).items()):
        there = f"$upstream_http_{_variable(header)}"
        yield f'map {there} $header_{name}_{number} {{ "" {_quoted(value)}; default ""; }}'
    if way.open:
        yield f"upstream route.{route.name} {{"
        yield f"    zone route.{route.name} 256k;"
        if way.cookie or way.header:
            yield f"    hash $key_{name} consistent;"
        for server, weight in way.servers:
            if weight and not server.down:
                yield f"    server {server.address} weight={weight} fail_timeout=2s;"
        yield "}"


def _servers(found: Sequence[Way], doors: Doors) -> Iterator[str]:
    hosts = sorted({each.route.host for each in found if each.route.host})
    for host in ["", *hosts]:
        mine = [each for each in found if each.route.host == host]
        others = [
            each for each in found if host and not each.route.host and not any(_covers(one, each) for one in mine)
        ]
        yield from ("server {", *(f"    {line}" for line in _server(host, [*mine, *others], doors)), "}")


def _server(host: str, mine: Sequence[Way], doors: Doors) -> Iterator[str]:
    yield f"listen {doors.plain.removeprefix(':')}{'' if host else ' default_server'};"
    yield f"server_name {host or '_'};"
    certificate = doors.certificates.get(host)
    if certificate:
        yield f"listen {doors.secure.removeprefix(':')} ssl http2;"
        yield from (f"ssl_certificate {certificate};", f"ssl_certificate_key {certificate};")
        yield "ssl_protocols TLSv1.2 TLSv1.3;"
        if any(each.route.tls for each in mine):
            port = "" if doors.port == 443 else f":{doors.port}"
            yield f"if ($insecure) {{ return 308 https://$host{port}$request_uri; }}"
    for path, text in doors.proofs.items():
        yield f"location = {path} {{ default_type text/plain; return 200 {text}; }}"
    for each in mine:
        for place in (f"= {each.prefix}", f"^~ {each.prefix}/") if each.prefix else ("/",):
            yield from (f"location {place} {{", *(f"    {line}" for line in _location(each, doors)), "}")
    if not any(not each.prefix for each in mine):
        yield f"location / {{ {_said(NOWHERE)} }}"
    yield f"location @too_many {{ add_header Retry-After 10 always; {_said(TOO_MANY)} }}"
    yield f"location @too_large {{ {_said(TOO_LARGE)} }}"
    yield f"location @unavailable {{ add_header Retry-After 1 always; {_said(UNAVAILABLE)} }}"


def _location(way: Way, doors: Doors) -> Iterator[str]:
    route, name = way.route, _word(way)
    if not way.open:
        yield "return 503;"
        yield "error_page 503 = @unavailable;"
        return
    yield from ("error_page 413 = @too_large;", "error_page 429 = @too_many;", "error_page 502 = @unavailable;")
    yield f"client_max_body_size {route.max_body};"
    if route.rate:
        yield f"limit_req zone=rate.{route.name} burst={max(1, route.rate - 1)} nodelay;"
    if way.cookie:
        yield f"add_header Set-Cookie $cookie_of_{name} always;"
    for number, header in enumerate(headers_of(route, doors)):
        yield f"add_header {header} $header_{name}_{number} always;"
    silence = round((route.timeout or SILENCE) * 1000)
    yield from (f"proxy_read_timeout {silence}ms;", f"proxy_send_timeout {silence}ms;")
    if len({server.release for server, weight in way.servers if weight}) > 1:
        yield f"access_log {doors.folder}/{NGINX_LOG} seen;"
    yield f"proxy_pass http://route.{route.name};"


def _covers(one: Way, other: Way) -> bool:
    """Whether whatever would go the other way goes this one before."""
    return other.prefix == one.prefix or other.prefix.startswith(one.prefix + "/")


def _said(answer: Answer) -> str:
    return f"default_type application/json; return {answer.status} '{answer.body}';"


def _word(way: Way) -> str:
    """The name of a route as a part of a variable's; two routes never have the same."""
    return re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0])}_", way.route.name)


def _variable(header: str) -> str:
    return _checked(header.lower().replace("-", "_"))


def _checked(name: str) -> str:
    if not _VARIABLE.fullmatch(name):
        raise DeployError(f"nginx cannot look at {name!r}", hint="use letters, digits and hyphens")
    return name


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "${dollar}")
    return f'"{escaped}"'
