"""Services as workloads that last: their data, the passwords that they are started with, what shows them ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from modelwright.app.deploying.desired.apps import file_mount, secret_mount, with_share
from modelwright.app.deploying.desired.contents import Brought
from modelwright.app.deploying.desired.values import ADMIN_PORT, DATABASE, GATEWAY, USER, Values
from modelwright.app.deploying.sections.services import ServiceSection
from modelwright.app.deploying.services import KINDS, WITH_VECTOR
from modelwright.core.deploying.places import SECRETS
from modelwright.core.deploying.workloads import Gate, Mount, Workload
from modelwright.core.quantities import parse_size

_READY = 180.0
"""Seconds that a database may take to come up with its data."""
Own = Callable[[ServiceSection, Values, Brought], "_Parts"]


class _Parts(NamedTuple):
    """What is of one kind alone."""

    env: dict[str, str]
    mounts: tuple[Mount, ...]
    command: tuple[str, ...] = ()


def service_workload(name: str, section: ServiceSection, *, values: Values, brought: Brought) -> Workload:
    """What runs of one service that runs there."""
    row = KINDS[name]
    own = _OWN[name](section, values, brought)
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


def _postgres(section: ServiceSection, values: Values, brought: Brought) -> _Parts:
    word = secret_mount(f"{SECRETS}/postgres_password", values.password("postgres"), brought)
    env = {
        "POSTGRES_USER": USER,
        "POSTGRES_DB": DATABASE,
        "POSTGRES_PASSWORD_FILE": word.path,
        "PGDATA": f"{KINDS['postgres'].data}/pgdata",
    }
    mounts = (word,)
    if section.vector:
        first = b"CREATE EXTENSION IF NOT EXISTS vector;\n"
        mounts = (*mounts, file_mount("/docker-entrypoint-initdb.d/vector.sql", first, brought))
    return _Parts(env, mounts)


def _redis(_: ServiceSection, values: Values, brought: Brought) -> _Parts:
    """Its settings are read from a file that is opened by whoever the image starts as, and only then it changes to
    its own user.
    """
    settings = f"requirepass {values.password('redis')}\nappendonly yes\ndir {KINDS['redis'].data}\n"
    file = secret_mount(f"{SECRETS}/redis.conf", settings, brought)
    start = f"exec $(command -v docker-entrypoint.sh) redis-server - < {file.path}"
    return _Parts({}, (file,), ("sh", "-c", start))


def _prometheus(_: ServiceSection, values: Values, brought: Brought) -> _Parts:  # noqa: ARG001 - one shape for all
    """It asks every instance of the gateway, of whatever release, and remembers for as long as it does by default."""
    return _Parts({}, (file_mount("/etc/prometheus/prometheus.yml", _SCRAPED.encode(), brought),))


def _grafana(_: ServiceSection, values: Values, brought: Brought) -> _Parts:
    """`admin` comes in, and finds Prometheus; what is changed by hand stays with its data."""
    word = secret_mount(f"{SECRETS}/grafana_password", values.password("grafana"), brought)
    env = {
        "GF_SECURITY_ADMIN_PASSWORD__FILE": word.path,
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
    }
    source = file_mount("/etc/grafana/provisioning/datasources/modelwright.yaml", _SOURCES.encode(), brought)
    return _Parts(env, (word, source))


_SCRAPED = f"""\
global: {{scrape_interval: 15s, evaluation_interval: 15s}}
scrape_configs:
  - job_name: modelwright
    dns_sd_configs:
      - {{names: [{GATEWAY}], type: A, port: {ADMIN_PORT}, refresh_interval: 5s}}
"""
_SOURCES = """\
apiVersion: 1
datasources:
  - {name: Prometheus, type: prometheus, access: proxy, url: "http://prometheus:9090", isDefault: true}
"""
_OWN: Mapping[str, Own] = {"postgres": _postgres, "redis": _redis, "prometheus": _prometheus, "grafana": _grafana}
