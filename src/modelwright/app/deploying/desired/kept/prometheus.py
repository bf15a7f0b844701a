"""Prometheus: whom it asks, what it watches over, and whom it tells."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

from modelwright.app.deploying.desired.apps import file_mount, secret_mount
from modelwright.app.deploying.desired.kept.around import Around, Parts, yaml
from modelwright.app.deploying.desired.routes import EDGE
from modelwright.app.deploying.desired.values import ADMIN_PORT, GATEWAY
from modelwright.app.deploying.sections.services import ServiceSection
from modelwright.app.deploying.services import ALERTMANAGER, KINDS, PROMETHEUS
from modelwright.app.manifest.rules.operations import has_gateway
from modelwright.core.deploying.front import NUMBERS_PORT
from modelwright.core.deploying.places import INSTANCES_FILE, INSTANCES_FOLDER, INSTANCES_VOLUME, SECRETS
from modelwright.core.deploying.workloads import Mount
from modelwright.core.quantities import parse_duration, parse_size
from modelwright.observe.alerts import rules

FOLDER = "/etc/prometheus"
EVERY, KEEP = "15s", "15d"
_FULL = 0.8
"""Share of its `size` that data may take: what it writes at the moment comes on top."""


def prometheus(section: ServiceSection, around: Around) -> Parts:
    """It asks every instance of the gateway, of whatever release, as soon as there is one."""
    brought = around.brought
    settings = yaml(_settings(around, every=section.every or EVERY))
    hidden = around.is_hidden(ALERTMANAGER)
    path = f"{SECRETS}/prometheus.yml" if hidden else f"{FOLDER}/prometheus.yml"
    own = secret_mount(path, settings, brought) if hidden else file_mount(path, settings.encode(), brought)
    written = yaml(rules(gateway=has_gateway(around.loaded.manifest), edge=around.has_numbers_of_edge))
    mounts = [own, file_mount(f"{FOLDER}/rules/modelwright.yml", written.encode(), brought)]
    if section.rules:
        mounts.append(file_mount(f"{FOLDER}/rules/own.yml", around.file(section.rules).read_bytes(), brought))
    if around.target.kind != "compose":
        mounts.append(Mount(path=INSTANCES_FOLDER, volume=INSTANCES_VOLUME))
    return Parts(
        {},
        tuple(mounts),
        _command(section, path),
        outside=around.has_numbers_of_edge or around.is_elsewhere(ALERTMANAGER),
    )


def _command(section: ServiceSection, path: str) -> tuple[str, ...]:
    bounds = [f"--storage.tsdb.retention.time={_in_words(section.keep or KEEP)}"]
    if section.size:
        bounds.append(f"--storage.tsdb.retention.size={max(1, int(_FULL * parse_size(section.size)) >> 20)}MB")
    return (f"--config.file={path}", f"--storage.tsdb.path={KINDS[PROMETHEUS].data}", *bounds)


def _settings(around: Around, *, every: str) -> dict[str, Any]:
    loaded, told, seconds = around.loaded, around.service(ALERTMANAGER), _in_words(every)
    jobs = [_gateways(around), _one(PROMETHEUS, f"localhost:{KINDS[PROMETHEUS].port}")]
    if around.has_numbers_of_edge:
        jobs.append(_one(EDGE, f"{EDGE}:{NUMBERS_PORT}"))
    if told is not None and told.url is None:
        jobs.append(_one(ALERTMANAGER, f"{ALERTMANAGER}:{KINDS[ALERTMANAGER].port}"))
    return {
        "global": {
            "scrape_interval": seconds,
            "evaluation_interval": seconds,
            "external_labels": {"project": loaded.manifest.name, "environment": loaded.environment},
        },
        "rule_files": [f"{FOLDER}/rules/*.yml"],
        **({"alerting": {"alertmanagers": [_told(around)]}} if told is not None else {}),
        "scrape_configs": jobs,
    }


def _in_words(text: str) -> str:
    """A duration as Prometheus reads it: in whole numbers."""
    seconds = parse_duration(text)
    return f"{seconds:.0f}s" if seconds.is_integer() else f"{max(1, round(1000 * seconds))}ms"


def _gateways(around: Around) -> dict[str, Any]:
    """Compose has no releases, and whoever is called so by its DNS is all there is."""
    if around.target.kind == "compose":
        found = {"names": [GATEWAY], "type": "A", "port": ADMIN_PORT, "refresh_interval": "5s"}
        return {"job_name": GATEWAY, "dns_sd_configs": [found]}
    listed = {"files": [f"{INSTANCES_FOLDER}/{INSTANCES_FILE}"], "refresh_interval": "30s"}
    return {
        "job_name": GATEWAY,
        "file_sd_configs": [listed],
        "relabel_configs": [
            {"source_labels": ["workload"], "regex": GATEWAY, "action": "keep"},
            {"source_labels": ["__address__"], "target_label": "instance"},
            {"source_labels": ["__address__"], "target_label": "__address__", "replacement": f"$1:{ADMIN_PORT}"},
        ],
    }


def _one(job: str, address: str) -> dict[str, Any]:
    return {"job_name": job, "static_configs": [{"targets": [address], "labels": {"instance": job}}]}


def _told(around: Around) -> dict[str, Any]:
    """Whom alerts go to; a password stands in the file, which is a secret then."""
    address = urlsplit(around.values.service(ALERTMANAGER, "url"))
    told: dict[str, Any] = {"scheme": address.scheme}
    if path := address.path.rstrip("/"):
        told["path_prefix"] = path
    if address.password is not None:
        told["basic_auth"] = {"username": unquote(address.username or ""), "password": unquote(address.password)}
    return {**told, "static_configs": [{"targets": [address.netloc.rpartition("@")[2]]}]}
