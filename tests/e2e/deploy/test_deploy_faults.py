"""Deploys whose author is killed, and releases that cannot come back: what serves is one release, whole."""

from __future__ import annotations

import asyncio
import io
import signal
import sys

import pytest

from modelwright.core.errors.deploying import LeaseHeld, NoWayBack
from modelwright.deploy.releases import way_back
from tests.making.docker_host.engine import Engine
from tests.making.docker_host.images import BUSYBOX
from tests.making.docker_host.projects import LABEL
from tests.making.docker_target import held

pytestmark = pytest.mark.e2e

KILLS = {
    "start": ("Start", "abort", "undone"),
    "prove": ("Prove", "resume", "deployed"),
    "retire": ("Retire", "abort", "deployed"),
}
"""By environment: the step before which it is killed, what somebody else then does, and what becomes of it."""


async def test_what_a_killed_deploy_has_left_is_ended_by_somebody_else_and_no_lock_stays(
    docker_engine: Engine, docker_project: str, keeper_image: str
) -> None:
    async def one(environment: str) -> None:
        step, verb, outcome = KILLS[environment]
        async with held(docker_engine.url, docker_project, environment, keeper=keeper_image) as hold:
            assert await hold.deploy(hold.quick("v1"), "r1") == "deployed"
            second = hold.quick("v2")
            await killed(docker_engine.url, docker_project, environment, keeper_image, step)
            assert await getattr(hold.carrier, verb)() == outcome
            assert "bob on bus" in "".join(str(told) for told in hold.told if isinstance(told, LeaseHeld))
            release, version = ("r2", second) if outcome == "deployed" else ("r1", hold.quick("v1"))
            observed = await hold.target.observer.observe()
            assert observed.current == release
            assert {instance.release for instance in observed.instances} == {release}
            assert (await hold.plan(version, release)).steps == ()
            assert await hold.deploy(hold.quick("v3"), "r3") == "deployed"

    async with asyncio.TaskGroup() as group:
        for environment in KILLS:
            group.create_task(one(environment))


async def killed(*words: str) -> None:
    """A deploy by another process."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.e2e.deploy.killed_deploy", *words)
    assert await process.wait() == -signal.SIGKILL


async def test_a_rollback_to_a_release_whose_image_is_gone_is_refused_before_anything_moves(
    docker_engine: Engine, docker_project: str, keeper_image: str
) -> None:
    images = [f"{docker_project}/app:{number}" for number in range(2)]
    for image in images:
        made = io.BytesIO(f"FROM {BUSYBOX}\nLABEL {LABEL}={docker_project} at={image}".encode())
        docker_engine.client.images.build(fileobj=made, tag=image, rm=True)
    async with held(docker_engine.url, docker_project, keeper=keeper_image) as hold:
        for number, image in enumerate(images):
            assert await hold.deploy(hold.quick(f"v{number}", image=image), f"r{number + 1}") == "deployed"
        history = await hold.target.observer.history()
        assert way_back(await hold.target.observer.observe(), history).name == "r1"
        gone = docker_engine.client.images.get(images[0])
        docker_engine.client.images.remove(gone.id, force=True)
        before = await hold.target.observer.observe()
        with pytest.raises(NoWayBack, match=r"nothing was changed: .* missing"):
            way_back(before, history)
        assert (before.current, {instance.release for instance in before.instances}) == ("r2", {"r2"})
