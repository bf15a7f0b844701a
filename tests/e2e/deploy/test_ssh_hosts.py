"""Deploys to a host over SSH: by the user's own configuration, with images streamed, and refused with the remedy."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator

import pytest
from docker.errors import ImageNotFound

from modelwright.adapters.targets.docker.names import Names
from modelwright.adapters.targets.docker.target import docker_target
from modelwright.app.system import SystemClock
from modelwright.core.errors.deploying import TargetUnreachable
from tests.making.docker_host.engine import Engine, builder_engine
from tests.making.docker_host.images import BUSYBOX
from tests.making.docker_host.projects import LABEL
from tests.making.docker_host.ssh_host import SshHost
from tests.making.docker_target import Carried, Hold, held

pytestmark = pytest.mark.e2e


@pytest.fixture
def url(docker_engine: Engine, ssh_host: SshHost, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of the engine, by the name that the user has given the host."""
    monkeypatch.setenv("PATH", ssh_host.environment["PATH"])
    return ssh_host.url + docker_engine.url.removeprefix("unix://")


@pytest.fixture
async def hold(url: str, docker_project: str, keeper_image: str) -> AsyncIterator[Hold]:
    async with held(url, docker_project, keeper=keeper_image) as hold:
        yield hold


async def test_releases_follow_each_other_over_ssh(hold: Hold) -> None:
    assert await hold.deploy(hold.quick("v1"), "r1") == "deployed"
    assert await hold.deploy(hold.quick("v2"), "r2") == "deployed"
    assert await hold.deploy(hold.quick("v1"), "r1") == "deployed"
    assert [one.release for one in await hold.target.observer.history()] == ["r1", "r2", "r1"]


async def test_an_image_is_streamed_from_where_it_was_built(
    url: str, docker_engine: Engine, docker_project: str, keeper_image: str
) -> None:
    with builder_engine() as builder:
        image = built(builder, docker_engine, docker_project)
        with pytest.raises(ImageNotFound):
            docker_engine.client.images.get(image)
        names, contents = Names(docker_project, "test"), Carried()
        async with docker_target(
            url, names, keeper=keeper_image, contents=contents, clock=SystemClock(), builder=builder.url
        ) as (target, there):
            await there.prepare()
            hold = Hold(target, there, contents)
            assert await hold.deploy(hold.quick("v1", image=image), "r1") == "deployed"
    assert docker_engine.client.images.get(image).id == image


def built(builder: Engine, engine: Engine, project: str) -> str:
    """An image that only the builder has."""
    builder.client.images.load(b"".join(engine.client.images.get(BUSYBOX).save(named=True)))
    made = io.BytesIO(f"FROM {BUSYBOX}\nLABEL {LABEL}={project}".encode())
    image, _ = builder.client.images.build(fileobj=made, rm=True)
    return str(image.id)


async def test_a_host_that_cannot_be_reached_is_named_with_the_remedy(
    url: str, ssh_host: SshHost, docker_project: str, keeper_image: str
) -> None:
    async def refused(where: str = url) -> str:
        with pytest.raises(TargetUnreachable) as caught:
            async with held(where, docker_project, keeper=keeper_image):
                pass
        assert caught.value.place == where
        return f"{caught.value} {caught.value.hint}"

    ssh_host.configure(key="strangers_key")
    assert "see that your key is on the host" in await refused()
    ssh_host.configure()
    ssh_host.trust(key="user_key")
    assert "find out why the host shows another key than before" in await refused()
    ssh_host.forget()
    assert "meet the host once by `ssh HOST`" in await refused()
    ssh_host.trust()
    assert "`ssh://HOST/PATH` names another one" in await refused(f"{ssh_host.url}/no/such.sock")
    assert "see that its name is right" in await refused("ssh://nobody.invalid")
    ssh_host.kill()
    assert "see that the host is up and that sshd answers" in await refused()
    ssh_host.start()
    async with held(url, docker_project, keeper=keeper_image) as hold:
        assert await hold.deploy(hold.quick("v1"), "r1") == "deployed"
