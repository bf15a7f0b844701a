"""A project over two real engines behind one edge: deployed, changed under load, and one of its hosts lost."""

from __future__ import annotations

import asyncio
import http.client
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any

import pytest

from modelwright.core.deploying.steps import Edit
from modelwright.core.errors.deploying import DeployError, TargetUnreachable
from tests.e2e.clients import patient
from tests.making.docker_host.engine import Engine, NoEngineError
from tests.making.docker_host.joined import Machine, two_machines
from tests.making.docker_target import Hold, held
from tests.making.ports import free_port

pytestmark = pytest.mark.e2e


class Load:
    """A client on the first machine that asks one question after the other, and counts the answers."""

    def __init__(self, machine: Machine, port: int) -> None:
        self.answers = Counter[tuple[int, str] | str]()
        self.port = port
        self._machine = machine
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        self._over.clear()
        with self._machine.threads() as threads:
            asking: Future[None] = threads.submit(self._ask)
            try:
                yield
            finally:
                self._over.set()
                asking.result()

    def _ask(self) -> None:
        while not self._over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                answer.read()
                self.answers[answer.status, answer.headers.get("x-version", "")] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[repr(error)] += 1
            finally:
                connection.close()


@pytest.fixture
def machines() -> Iterator[tuple[Machine, Machine]]:
    try:
        with two_machines() as machines:
            yield machines
    except NoEngineError as gone:
        pytest.skip(str(gone))


async def test_a_site_over_two_hosts_changes_under_load_and_survives_the_loss_of_one(
    machines: tuple[Machine, Machine], docker_engine: Engine, docker_project: str, keeper_image: str
) -> None:
    def on(*hosts: str) -> AbstractAsyncContextManager[Hold]:
        return held(hosts, docker_project, keeper=keeper_image, builder=docker_engine.url)

    here, there = machines
    await see_that_they_are_to_be_joined(on, here, there)
    async with on(here.url, there.url) as hold:
        hold.port = free_port()
        load = Load(here, hold.port)
        assert await hold.deploy(await hold.desired("v1", replicas=2, image=keeper_image), "r1") == "deployed"
        first, second = (one.name for one in (await hold.target.observer.observe()).hosts)
        assert await where(hold) == {0: first, 1: second}
        with load.running():
            await more(load, (200, "v1"))
            desired = await hold.desired("v2", replicas=2, image=keeper_image)
            assert await hold.deploy(desired, "r2") == "deployed"
            await more(load, (200, "v2"), 100)
            heard = load.answers.copy()
            well = heard[200, "v1"] + heard[200, "v2"]
            # Engines that starve may take each other for lost.
            assert heard.total() - well <= max(5, 0.05 * well), heard
            assert await where(hold) == {0: first, 1: second}
            assert (await hold.plan(desired, "r2")).steps == ()
            there.lose()
            await more(load, (200, "v2"))
    with pytest.raises(TargetUnreachable, match=f"the host {second} is away"):
        async with on(here.url, there.url):
            pass
    async with on(here.url) as hold:
        hold.port = load.port
        plan = await hold.plan(desired, "r2")
        assert [edit for change in plan.changes for edit in change.edits] == [
            Edit(field="instances", before="1", after="2")
        ]
        assert await hold.carrier.deploy(plan) == "deployed"
        assert await where(hold) == {0: "", 1: ""}
        assert (await hold.plan(desired, "r2")).steps == ()
    with load.running():
        await more(load, (200, "v2"))


async def see_that_they_are_to_be_joined(on: Callable[..., Any], here: Machine, there: Machine) -> None:
    """They are refused with the commands, and those are all that it takes."""

    async def refused() -> str:
        with pytest.raises(DeployError, match="is not joined") as caught:
            async with on(here.url, there.url):
                pass
        return f"{caught.value.place} {caught.value.hint}"

    assert f"`docker -H {here.url} swarm init`" in await refused()
    here.found()
    assert f'`docker -H {there.url} swarm join --token "$(docker -H {here.url} swarm join-token -q worker)"' in (
        await refused()
    )
    there.join(here)


async def where(hold: Hold) -> dict[int, str]:
    """By index, the host of each instance of the app."""
    seen = await hold.target.observer.observe()
    return {one.index: one.host for one in seen.instances if one.workload == "api"}


async def more(load: Load, answer: tuple[int, str], count: int = 20) -> None:
    """As many more of these answers come."""
    until = load.answers[answer] + count
    await asyncio.to_thread(patient, lambda: load.answers[answer] >= until)
