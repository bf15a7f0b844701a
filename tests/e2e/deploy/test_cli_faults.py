"""Deploys that fail, as their user sees them: exit status, step and remedy; and what served goes on serving."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwright.adapters.targets.docker.names import Names
from modelwright.adapters.targets.docker.target import docker_target
from modelwright.app.system import SystemClock
from tests.e2e.clients import patient
from tests.e2e.deploy.cli_place import ENVIRONMENT, Begun, CliPlace
from tests.making.docker_host.engine import Engine
from tests.making.docker_host.ssh_host import SshHost
from tests.making.docker_target import Carried

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def hung(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """A question to a host that does not answer; it takes its time while others are asked."""
    folder = tmp_path_factory.mktemp("hung")
    with SshHost(tmp_path_factory.mktemp("sshd"), variables={}) as host:
        host.hang()
        begun = CliPlace(folder, "nobody", host.url).begin("resume", **docker_engine.environment, **host.environment)
        yield begun
        begun.process.kill()
        begun.process.wait(timeout=60)


@pytest.fixture(scope="module")
def place(docker_engine: Engine, hung: Begun, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CliPlace]:
    """Where v1 serves."""
    del hung
    with docker_engine.project() as project:
        found = CliPlace(tmp_path_factory.mktemp("place"), project, docker_engine.url)
        first = found.begin("deploy", "--yes")  # its images may have to be built
        assert first.end() == 0, first.said
        patient(lambda: found.serves("v1"))
        yield found


FAULTS = {
    "an app that never becomes healthy": (
        {"gate": "{path: /nowhere, deadline: 3s}"},
        "prove web in",
        "give the gate a longer deadline",
    ),
    "a crash loop": (
        {"command": "sh -c 'echo no luck today; exit 3'"},
        "ended with 3; its last lines:\nno luck today",
        "Mend what its log says",
    ),
    "a registry that is away": ({"image": "127.0.0.1:1/none:1"}, "bring 127.0.0.1:1/none:1", "see that the registry"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_fails_is_undone_with_its_step_and_its_remedy(place: CliPlace, fault: str) -> None:
    changes, step, remedy = FAULTS[fault]
    place.write("v2", **changes)
    failed = place.run("deploy", "--yes")
    assert failed.returncode == 11, failed.stderr
    assert "error: it was undone, and what served before serves: " in failed.stderr
    assert step in failed.stderr
    assert remedy in failed.stderr
    assert place.serves("v1")


def test_another_project_that_wants_the_same_port_leaves_nothing(
    docker_engine: Engine, docker_project: str, place: CliPlace, tmp_path: Path
) -> None:
    other = CliPlace(tmp_path, docker_project, docker_engine.url, port=place.port)
    failed = other.run("deploy", "--yes")
    assert failed.returncode == 11, failed.stderr
    assert "keep edge in r1" in failed.stderr
    assert "end what has the port, or publish another one" in failed.stderr
    assert [one.name for one in docker_engine.containers(docker_project)] == [f"{docker_project}.{ENVIRONMENT}.keeper"]
    assert place.serves("v1")


def test_an_empty_secret_is_refused_by_name(place: CliPlace) -> None:
    place.write("v2", env='{TOKEN: "${secret:TOKEN}"}')
    refused = place.run("deploy", "--yes", TOKEN="")
    assert refused.returncode == 3
    assert "apps.web.env.TOKEN: `${secret:TOKEN}` is missing or empty\n    Set TOKEN" in refused.stderr
    assert place.serves("v1")


def test_a_container_that_somebody_has_removed_is_put_back(docker_engine: Engine, place: CliPlace) -> None:
    place.write("v1")
    web = Names(place.project, ENVIRONMENT).container("web", "r1")
    docker_engine.client.containers.get(web).remove(force=True)
    mended = place.run("deploy", "--yes")
    assert mended.returncode == 0, mended.stderr
    assert "instances  0 → 1" in mended.stdout
    patient(lambda: place.serves("v1"))


async def test_who_lives_keeps_his_lock(docker_engine: Engine, place: CliPlace) -> None:
    place.write("v2")
    names = Names(place.project, ENVIRONMENT)
    async with docker_target(docker_engine.url, names, contents=Carried(), clock=SystemClock()) as (target, _):
        lease = await target.leases.take("bob on bus")
        trying = asyncio.create_task(asyncio.to_thread(place.run, "deploy", "--yes"))
        while not trying.done():
            lease = await target.leases.renew(lease)
            await asyncio.sleep(0.2)
        await target.leases.leave(lease)
    refused = await trying
    assert refused.returncode == 14, refused.stderr
    assert "bob on bus is changing it" in refused.stderr
    assert place.serves("v1")


async def test_a_deploy_that_loses_its_host_says_where_it_stands_and_is_gone_on_with(
    docker_engine: Engine, place: CliPlace, ssh_host: SshHost
) -> None:
    names, path = Names(place.project, ENVIRONMENT), docker_engine.url.removeprefix("unix://")
    place.write("v2", gate="{path: /ready}")
    there = {"DEPLOY_HOST": ssh_host.url + path, **docker_engine.environment, **ssh_host.environment}
    begun = place.begin("deploy", "--yes", **there)
    begun.wait_for("done: start web in")
    web = docker_engine.client.containers.get(names.container("web", "r2"))
    patient(lambda: b"404" in web.logs(), waiting_for="the gate to be asked")
    ssh_host.cut()
    assert await asyncio.to_thread(begun.end) == 10, begun.said
    assert "prove web in r2: go on with `modelwright resume`, or back with `modelwright abort`" in begun.said
    assert place.serves("v1")
    async with docker_target(docker_engine.url, names, contents=Carried(), clock=SystemClock()) as (target, kept):
        lease = (await kept.memory()).lease
        assert lease is not None
        await target.leases.leave(lease)  # it would run out; the contract of leases shows that
    web.exec_run(["touch", "/www/ready"])
    resumed = place.run("resume", **there)
    assert resumed.returncode == 0, resumed.stderr
    patient(lambda: place.serves("v2"))
    assert place.run("abort").returncode == 17


def test_a_host_that_hangs_is_given_up(hung: Begun) -> None:
    assert hung.end() == 10, hung.said
    assert "timed out" in hung.said
    assert "see that the host is up and that no firewall is on the way to it" in hung.said
