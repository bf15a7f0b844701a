"""Apps as workloads: their variables, their gate, what they wait for."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import msgspec

from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.deploying.desired.values import GATEWAY, Values
from modelwright.app.deploying.sections.apps import AppSection
from modelwright.app.deploying.sections.instances import ShareSection
from modelwright.app.manifest.secret import Secret
from modelwright.core.deploying.places import FILE, VARIABLES
from modelwright.core.deploying.workloads import Gate, Mount, Workload
from modelwright.core.quantities import parse_duration, parse_size


def app_workload(name: str, app: AppSection, *, image: str, values: Values, brought: Brought) -> Workload:
    """What runs of one app."""
    env: dict[str, str] = {}
    mounts: list[Mount] = []
    for variable, value in sorted(app.env.items()):
        if values.is_secret(value):
            mount = secret_mount(f"{VARIABLES}/{variable}", values.fill(value), brought)
            mounts.append(mount)
            env[f"{variable}{FILE}"] = mount.path
        else:
            env[variable] = values.fill(value)
    workload = Workload(
        name=name,
        kind="app",
        image=image,
        command=tuple(shlex.split(app.command)),
        env=env,
        mounts=tuple(mounts),
        port=app.port,
        gate=_gate(app) if app.port else None,
        replicas=app.replicas,
        grace=parse_duration(app.grace),
        before=tuple(shlex.split(app.release_command)),
        after=tuple(sorted(needed(app.env.values()))),
    )
    return with_share(workload, app.resources)


def secret_mount(path: str, content: str, brought: Brought) -> Mount:
    """A file that nobody else can read."""
    return Mount(path=path, digest=brought.secret(content), secret=True)


def file_mount(path: str, content: bytes, brought: Brought) -> Mount:
    """A file that is no secret."""
    return Mount(path=path, digest=brought.file(content))


def with_share(workload: Workload, section: ShareSection) -> Workload:
    """With what each instance gets of the machine."""
    memory = parse_size(section.memory) if section.memory else 0
    return msgspec.structs.replace(workload, cpu=section.cpu, memory=memory, gpu=section.gpu)


def needed(values: Iterable[Secret]) -> set[str]:
    """Workloads that values refer to."""
    found: set[str] = set()
    for value in values:
        for reference in value.references:
            if reference.kind == "service":
                found.add(reference.name.partition(".")[0])
            elif reference.kind in {"gateway", "key"}:
                found.add(GATEWAY)
    return found


def _gate(app: AppSection) -> Gate:
    gate = app.gate
    return Gate(
        path=gate.path or app.health,
        method=gate.method,
        body=gate.body,
        status=gate.status,
        deadline=parse_duration(gate.deadline),
        restarts=gate.restarts,
    )
