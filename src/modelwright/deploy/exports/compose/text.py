"""The compose file and the example of its settings, as a person would lay them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from modelwright.core.deploying.workloads import Desired, Workload
from modelwright.deploy.exports.compose.folder import edge_file, place
from modelwright.deploy.exports.compose.service import (
    WATCHING,
    health,
    once,
    port_variable,
    published,
    scalar,
    secret_name,
    service,
    variable,
)

_ORDER = ("service", "gateway", "app", "edge")
_COMMON = (
    "x-program: &program",
    "  init: true",
    "  restart: unless-stopped",
    "  security_opt: [no-new-privileges:true]",
    '  logging: {driver: json-file, options: {max-size: 10m, max-file: "3"}}',
)
_INLINE = frozenset({"command", "profiles", "networks", "security_opt", "test", "options", "devices", "tmpfs"})


def compose(desired: Desired) -> str:
    """The text of compose.yaml. Raises DeployError for what Compose cannot do."""
    here, inside, _ = edge_file(desired)
    ordered = sorted(desired.workloads, key=lambda one: (_ORDER.index(one.kind), one.name))
    healthy = {workload.name for workload in ordered if health(workload)}
    services: dict[str, Any] = {}
    for workload in ordered:
        found = service(workload, healthy, edge_file=(here, inside))
        if workload.kind == "edge":
            reached = sorted({route.workload for route in desired.routes})
            waits = {name: "service_healthy" if name in healthy else "service_started" for name in reached}
            found["depends_on"] = {name: {"condition": condition} for name, condition in waits.items()}
        if workload.before:
            first = f"{workload.name}-release"
            services[first] = once(workload, healthy)
            found.setdefault("depends_on", {})[first] = {"condition": "service_completed_successfully"}
        services[workload.name] = found
    lines = [
        f"# {desired.project}, {desired.environment}. Written by `modelwright render compose`; yours from here on.",
        "# Copy .env.example to .env, then: docker compose up --detach",
        *(["# With what watches: docker compose --profile monitoring up --detach"] if _watched(ordered) else []),
        "",
        *_COMMON,
        "",
        "services:",
    ]
    for name, found in services.items():
        lines += [f"  {name}:", "    <<: *program", *_map(found, 4), ""]
    lines += [
        "networks:",
        "  outside: {}",
        "  # Services are here alone: nothing of them is reached from elsewhere.",
        "  inside:",
    ]
    lines += ["    internal: true", ""]
    volumes = sorted({mount.volume for one in ordered for mount in one.mounts if _is_data(one, mount.path)})
    lines += ["volumes:", *(f"  {name}: {{}}" for name in volumes), ""] if volumes else []
    secrets = {
        secret_name(one, mount.path): place(one, mount) for one in ordered for mount in one.mounts if mount.secret
    }
    lines += ["secrets:"] if secrets else []
    lines += [f"  {name}: {{file: ./{path}}}" for name, path in sorted(secrets.items())]
    return "\n".join(lines).rstrip() + "\n"


def example(desired: Desired) -> str:
    """The text of .env.example: what a host may want otherwise, with what holds without it."""
    lines = [
        "# Copy to .env; every line may be left out.",
        f"COMPOSE_PROJECT_NAME={desired.project}-{desired.environment}",
        "",
        "# Images",
        *(f"{variable(workload.name)}={workload.image}" for workload in desired.workloads),
    ]
    doors = [
        f"{port_variable(workload.name, inside)}={outside}"
        for workload in desired.workloads
        for outside, inside in map(published, workload.publish)
    ]
    return "\n".join([*lines, *(["", "# Addresses of this host", *doors] if doors else [])]) + "\n"


def _watched(workloads: list[Workload]) -> bool:
    return any(workload.name in WATCHING for workload in workloads)


def _is_data(workload: Workload, path: str) -> bool:
    mount = next(mount for mount in workload.mounts if mount.path == path)
    return bool(mount.volume) and not mount.digest and workload.kind != "edge"


def _map(values: Mapping[str, Any], by: int) -> Iterator[str]:
    blanks = " " * by
    for key, value in values.items():
        if isinstance(value, Mapping) and value and key not in _INLINE:
            yield f"{blanks}{key}:"
            yield from _map({str(name): held for name, held in value.items()}, by + 2)
        elif isinstance(value, list) and value and key not in _INLINE:
            yield f"{blanks}{key}:"
            yield from (f"{blanks}  - {scalar(msgspec.to_builtins(one))}" for one in value)
        else:
            yield f"{blanks}{key}: {scalar(value)}"
