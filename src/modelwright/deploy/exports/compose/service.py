"""One workload as a service of a compose file."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

from modelwright.core.deploying.front import EDGE_FOLDER, EDGE_VOLUME
from modelwright.core.deploying.places import SECRETS
from modelwright.core.deploying.workloads import Gate, Workload
from modelwright.deploy.exports.compose.folder import place
from modelwright.deploy.exports.text import quoted

WATCHING = frozenset({"prometheus", "alertmanager", "grafana"})
"""Services that are started when they are asked for: `--profile monitoring`."""
_READY = {
    "postgres": 'pg_isready --quiet --username "$$POSTGRES_USER" --dbname "$$POSTGRES_DB"',
    "redis": "redis-cli ping | grep -q -e PONG -e NOAUTH",
}
_EVERY, _PATIENCE = 5, 5
"""Seconds between two looks, and for one."""
_OUTSIDE, _INSIDE = "outside", "inside"
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9]+")


def service(workload: Workload, healthy: Collection[str], *, edge_file: tuple[str, str]) -> dict[str, Any]:
    """`healthy` are services that say when they are ready; `edge_file` is (its place here, its place inside)."""
    limits: dict[str, Any] = {}
    if workload.cpu:
        limits["cpus"] = f"{workload.cpu:g}"
    if workload.memory:
        limits["memory"] = str(workload.memory)
    deploy: dict[str, Any] = {"replicas": workload.replicas} if workload.replicas > 1 else {}
    resources: dict[str, Any] = {"limits": limits} if limits else {}
    if workload.gpu:
        resources["reservations"] = {"devices": [{"driver": "nvidia", "count": workload.gpu, "capabilities": ["gpu"]}]}
    if resources:
        deploy["resources"] = resources
    found: dict[str, Any] = {
        "image": f"${{{variable(workload.name)}:-{workload.image}}}",
        "profiles": ["monitoring"] if workload.name in WATCHING else [],
        "command": [_kept(word) for word in workload.command],
        "stop_grace_period": f"{workload.grace:g}s",
        "environment": {name: _kept(value) for name, value in sorted(workload.env.items())},
        "ports": [_port(workload.name, address) for address in workload.publish],
        "volumes": [*_volumes(workload)],
        "secrets": [
            {"source": secret_name(workload, mount.path), "target": mount.path}
            for mount in workload.mounts
            if mount.secret
        ],
        "healthcheck": health(workload),
        "depends_on": _waits(workload, healthy),
        "deploy": deploy,
        "networks": [_INSIDE] if workload.kind == "service" and not workload.outside else [_INSIDE, _OUTSIDE],
    }
    if workload.kind == "edge":
        found["tmpfs"] = [f"{EDGE_FOLDER}:mode=1777"]
        found["volumes"].append(f"./{edge_file[0]}:{edge_file[1]}:ro")
    return {key: value for key, value in found.items() if value not in ({}, [], None)}


def once(workload: Workload, healthy: Collection[str]) -> dict[str, Any]:
    """What has to end well before the workload starts, such as migrations."""
    found = service(workload, healthy, edge_file=("", ""))
    for key in ("healthcheck", "ports", "deploy", "stop_grace_period"):
        found.pop(key, None)
    return {**found, "command": [_kept(word) for word in workload.before], "restart": "no"}


def health(workload: Workload) -> dict[str, Any] | None:
    """How it is asked whether it is ready; None where nobody knows."""
    if workload.name in _READY and workload.kind == "service":
        test = ["CMD-SHELL", _READY[workload.name]]
    elif workload.gate is not None and workload.port and (path := _asked(workload.gate)):
        url = f"http://127.0.0.1:{workload.port}{path}"
        python = f"import urllib.request as r; r.urlopen('{url}', timeout={_PATIENCE})"
        ways = (f"curl -fsS -o /dev/null '{url}'", f"wget -q -O /dev/null '{url}'", f'python3 -c "{python}"')
        test = ["CMD-SHELL", _kept(" 2> /dev/null || ".join(ways))]
    else:
        return None
    deadline = workload.gate.deadline if workload.gate else 120.0
    return {
        "test": test,
        "interval": f"{_EVERY}s",
        "timeout": f"{_PATIENCE}s",
        "retries": 3,
        "start_period": f"{deadline:g}s",
    }


def secret_name(workload: Workload, path: str) -> str:
    """Of a secret in the file; each is of one workload alone."""
    name = path.removeprefix(f"{SECRETS}/").strip("/").replace("/", ".")
    return f"{workload.name}.{name}"


def variable(name: str) -> str:
    """By which another image may be named: `API_IMAGE`."""
    return f"{_NOT_IN_NAMES.sub('_', name.upper())}_IMAGE"


def port_variable(name: str, inside: str) -> str:
    """By which another address may be named: `EDGE_8080`."""
    return f"{_NOT_IN_NAMES.sub('_', name.upper())}_{inside}"


def published(address: str) -> tuple[str, str]:
    """(address of the host, port inside)."""
    outside, _, inside = address.partition(">")
    return outside, inside or outside.rpartition(":")[2]


def _port(name: str, address: str) -> str:
    outside, inside = published(address)
    return f"${{{port_variable(name, inside)}:-{outside}}}:{inside}"


def _volumes(workload: Workload) -> Iterator[str]:
    for mount in workload.mounts:
        if mount.secret or mount.volume == EDGE_VOLUME:
            continue
        source = f"./{at}" if (at := place(workload, mount)) else mount.volume
        yield f"{source}:{mount.path}" + ("" if mount.writable else ":ro")


def _waits(workload: Workload, healthy: Collection[str]) -> dict[str, dict[str, str]]:
    return {
        name: {"condition": "service_healthy" if name in healthy else "service_started"}
        for name in workload.after
        if name not in WATCHING
    }


def _asked(gate: Gate) -> str:
    """Without a body: a health check sends none."""
    return gate.ready or (gate.path if gate.method == "GET" and gate.status == 200 else "")


def _kept(text: str) -> str:
    """A $ stays one: Compose would fill it in."""
    return text.replace("$", "$$")


def scalar(value: Any) -> str:
    """For a line of YAML: plain where it can be nothing else, otherwise JSON, which is YAML."""
    return quoted(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
