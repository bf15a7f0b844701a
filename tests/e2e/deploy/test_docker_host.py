"""The parts that tests of deploys stand on: a real engine with stand-ins for images, a registry, and sshd."""

import io
import json
import os
import subprocess

import pytest
from docker.errors import ImageNotFound, NotFound

from tests.making.docker_host.engine import Engine
from tests.making.docker_host.images import (
    ALERTMANAGER,
    BUSYBOX,
    HAPROXY,
    NGINX,
    NODE,
    PGVECTOR,
    PROMETHEUS,
    PYTHON,
    REDIS,
)
from tests.making.docker_host.projects import LABEL
from tests.making.docker_host.registry import RegistryServer
from tests.making.docker_host.ssh_host import HOST, SshHost

pytestmark = pytest.mark.e2e

SAYS = {
    BUSYBOX: ["busybox", "--list"],
    PYTHON: ["python", "-m", "pip", "--version"],
    NODE: ["npm", "--version"],
    NGINX: ["nginx", "-t"],
    HAPROXY: ["haproxy", "-v"],
    REDIS: ["redis-server", "--version"],
    PGVECTOR: ["postgres", "--version"],
    PROMETHEUS: ["--version"],
    ALERTMANAGER: ["--version"],
}


@pytest.mark.parametrize("image", SAYS)
def test_a_stand_in_has_its_program(docker_engine: Engine, docker_project: str, image: str) -> None:
    labels = {LABEL: docker_project}
    assert docker_engine.client.containers.run(image, SAYS[image], remove=True, labels=labels, stderr=True)


def test_what_a_project_leaves_is_removed(docker_engine: Engine) -> None:
    client = docker_engine.client
    with docker_engine.project() as name:
        labels = {LABEL: name}
        network = client.networks.create(name, labels=labels)
        volume = client.volumes.create(name, labels=labels)
        container = client.containers.run(
            REDIS, detach=True, network=network.name, volumes={name: {"bind": "/data"}}, labels=labels
        )
        container.commit(f"{name}:left", changes=f"LABEL {LABEL}={name}")
        client.images.get(REDIS).tag(f"modelwright/{name}.test/redis", "held")
        assert [found.id for found in docker_engine.containers(name)] == [container.id]
    for gone in (container.reload, network.reload, volume.reload):
        with pytest.raises(NotFound):
            gone()
    for gone in (f"{name}:left", f"modelwright/{name}.test/redis:held"):
        with pytest.raises(ImageNotFound):
            client.images.get(gone)
    assert client.images.get(REDIS)


def test_an_image_goes_through_the_registry_by_its_digest(
    docker_engine: Engine, docker_project: str, docker_registry: RegistryServer
) -> None:
    client = docker_engine.client
    name = f"{docker_registry.address}/{docker_project}"
    image, _ = client.images.build(fileobj=io.BytesIO(b"FROM " + BUSYBOX.encode()), labels={LABEL: docker_project})
    image.tag(name, "one")
    pushed = [json.loads(line) for line in client.images.push(name, tag="one").splitlines()]
    digest = next(line["aux"]["Digest"] for line in pushed if "aux" in line)
    client.images.remove(image.id, force=True)
    assert client.images.pull(f"{name}@{digest}").id == image.id
    docker_registry.delete(docker_project, digest)
    assert not docker_registry.has(docker_project, digest)


def test_the_engine_answers_over_ssh(docker_engine: Engine, ssh_host: SshHost) -> None:
    version = ["docker", "version", "--format", "{{.Server.Version}}"]
    assert _ssh(ssh_host, *version).stdout.strip() == docker_engine.client.version()["Version"]
    ssh_host.configure(key="strangers_key")
    assert "Permission denied" in _ssh(ssh_host, "true").stderr
    ssh_host.configure()
    ssh_host.trust(key="user_key")
    assert "HOST IDENTIFICATION HAS CHANGED" in _ssh(ssh_host, "true").stderr
    ssh_host.forget()
    assert "Host key verification failed" in _ssh(ssh_host, "true").stderr
    ssh_host.trust()
    ssh_host.kill()
    assert "Connection refused" in _ssh(ssh_host, "true").stderr


def _ssh(host: SshHost, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["ssh", HOST, *command], env={**os.environ, **host.environment}, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
