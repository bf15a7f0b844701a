"""Services as workloads that last: their data, what each is started with, what shows them ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from modelwright.app.deploying.desired.apps import with_share
from modelwright.app.deploying.desired.kept.alertmanager import alertmanager
from modelwright.app.deploying.desired.kept.around import Around, Parts
from modelwright.app.deploying.desired.kept.databases import postgres, redis
from modelwright.app.deploying.desired.kept.grafana import grafana
from modelwright.app.deploying.desired.kept.prometheus import prometheus
from modelwright.app.deploying.sections.services import ServiceSection
from modelwright.app.deploying.services import ALERTMANAGER, KINDS, PROMETHEUS, WITH_VECTOR
from modelwright.core.deploying.workloads import Gate, Mount, Workload
from modelwright.core.quantities import parse_size

_READY = 180.0
"""Seconds that a database may take to come up with its data."""
_OWN: Mapping[str, Callable[[ServiceSection, Around], Parts]] = {
    "postgres": postgres,
    "redis": redis,
    PROMETHEUS: prometheus,
    ALERTMANAGER: alertmanager,
    "grafana": grafana,
}


def service_workload(name: str, section: ServiceSection, around: Around) -> Workload:
    """What runs of one service that runs there."""
    row = KINDS[name]
    own = _OWN[name](section, around)
    size = parse_size(section.size) if section.size else 0
    workload = Workload(
        name=name,
        kind="service",
        image=image_of(name, section),
        command=own.command,
        env=own.env,
        mounts=(Mount(path=row.data, volume=name, writable=True, size=size), *own.mounts),
        port=row.port,
        gate=Gate(path=row.health, deadline=_READY),
        grace=60.0,
        outside=own.outside,
    )
    return with_share(workload, section.resources)


def image_of(name: str, section: ServiceSection) -> str:
    """What the manifest names, otherwise one that was tried."""
    row = KINDS[name]
    if section.image:
        return section.image
    version = section.version or row.version
    if section.vector:
        image, prefix = WITH_VECTOR
        return f"{image}:{prefix}{version}"
    return f"{row.image}:{version}"
