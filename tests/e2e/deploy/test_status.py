"""How an environment stands is told whatever somebody has done to it by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from modelwright.app.deploying.docker_host import docker_host
from modelwright.app.deploying.journeys import Journeys
from modelwright.app.deploying.reach import Site
from modelwright.app.deploying.sections.targets import TargetSection
from modelwright.app.deploying.status import told
from modelwright.app.deploying.supplies import Described, Supplies
from modelwright.app.system import SystemClock
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired, Gate, Mount, Workload
from modelwright.core.errors.deploying import DeployError
from modelwright.core.errors.starting import NotRunning
from modelwright.deploy.carrying import Author
from tests.making.docker_host.engine import Engine
from tests.making.docker_host.images import BUSYBOX, PYTHON
from tests.making.docker_target import Carried

pytestmark = pytest.mark.e2e


class Place:
    """A project of small programs on the engine."""

    def __init__(self, engine: Engine, project: str, keeper: str) -> None:
        self.project = project
        self._keeper = keeper
        self._site = Site(
            manifest=Path("modelwright.yaml"),
            project=project,
            environment="test",
            target=TargetSection(kind="docker", host=engine.url),
            rise=Rise(),
        )

    def described(self, version: str) -> Described:
        if not version:
            raise DeployError("the secret KEY is not set")
        contents = Carried()
        page = Mount(path="/www/healthz", digest=contents.add(version.encode()))
        words = ("busybox", "httpd", "-f", "-p", "8080", "-h", "/www")
        works = [
            Workload(
                name=name,
                kind="app",
                image=BUSYBOX,
                command=words,
                mounts=(page,),
                port=8080,
                gate=Gate(path="/healthz"),
                grace=1.0,
            )
            for name in ("api", "web")
        ]
        desired = Desired(project=self.project, environment="test", workloads=tuple(works))
        return Described(desired=desired, contents=contents, keeper=self._keeper)

    @asynccontextmanager
    async def journeys(self, version: str) -> AsyncIterator[Journeys]:
        async def describe(_: str) -> Described:
            return self.described(version)

        supplies, author = Supplies(describe), Author(who="ada", where="desk", why="first")
        async with docker_host(self._site, supplies) as reached:
            yield Journeys(reached, supplies, author, rise=Rise(), clock=SystemClock(), tell=lambda _: None)


async def test_what_was_removed_changed_and_made_by_hand_is_told(
    docker_engine: Engine, docker_project: str, keeper_image: str
) -> None:
    place, client = Place(docker_engine, docker_project, keeper_image), docker_engine.client
    async with place.journeys("v1") as journeys:
        with pytest.raises(NotRunning, match="nothing was deployed there"):
            await told(journeys)
        await journeys.deploy(await journeys.plan(exact=True))
        whole, _ = await told(journeys)
    assert (whole.release, whole.who, whole.where, whole.why) == ("r1", "ada", "desk", "first")
    assert [(one.name, one.kind, one.state, one.restarts, one.image) for one in whole.instances] == [
        ("api.r1.0", "app", "ready", 0, BUSYBOX),
        ("web.r1.0", "app", "ready", 0, BUSYBOX),
    ]
    assert all(one.since >= whole.since - 3600 for one in whole.instances)
    assert (whole.drift, whole.strays, whole.ahead) == ((), (), ())

    client.containers.get(f"{docker_project}.test.api.r1.0").remove(force=True)
    web = client.containers.get(f"{docker_project}.test.web.r1.0")
    labels = dict(web.labels)
    web.remove(force=True)
    client.containers.run(PYTHON, ["sleep", "600"], detach=True, init=True, name=web.name, labels=labels)
    toy = {**labels, "modelwright.workload": "toy"}
    client.containers.run(BUSYBOX, ["busybox", "sleep", "600"], detach=True, init=True, labels=toy)
    async with place.journeys("v2") as journeys:
        found, _ = await told(journeys)
    assert [(one.act, one.name) for one in found.drift] == [("repair", "api")]
    assert [one.problem for one in found.strays if one.name == "web.r1.0"] == [
        f"it runs from {PYTHON}, and its release from {BUSYBOX}"
    ]
    assert [one.problem for one in found.strays if one.name != "web.r1.0"] == ["no release has a workload toy"]
    assert found.ahead is not None
    assert [(one.act, one.name) for one in found.ahead] == [("replace", "api"), ("replace", "web")]
    async with place.journeys("") as journeys:
        without, _ = await told(journeys)
    assert (without.ahead, without.drift) == (None, found.drift)
    assert "the secret KEY is not set" in without.trouble
