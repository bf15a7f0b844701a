"""A project on a real Docker engine: deployed, changed under load, rolled back, broken, and never half there."""

from __future__ import annotations

import asyncio
import http.client
import io
import tarfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.app.deploying.docker_host import docker_host
from modelwright.app.deploying.reach import Site
from modelwright.app.deploying.sections.targets import TargetSection
from modelwright.core.deploying.journal import Failed
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired, Mount
from tests.e2e.clients import patient
from tests.making.docker_host.engine import Engine
from tests.making.docker_host.images import BUSYBOX, PYTHON
from tests.making.docker_host.projects import LABEL
from tests.making.docker_host.registry import RegistryServer
from tests.making.docker_target import PASSWORD, Carried, Hold, held
from tests.making.ports import free_port

pytestmark = pytest.mark.e2e


@pytest.fixture
async def hold(docker_engine: Engine, docker_project: str, keeper_image: str) -> AsyncIterator[Hold]:
    async with held(docker_engine.url, docker_project, keeper=keeper_image) as hold:
        yield hold


class Load:
    """Clients that ask one after the other, and count the answers by status and version."""

    def __init__(self, port: int) -> None:
        self.answers = Counter[tuple[int, str] | str]()
        self._port = port
        self._over = threading.Event()
        self._clients = [threading.Thread(target=self._ask) for _ in range(2)]

    @contextmanager
    def running(self) -> Iterator[None]:
        for client in self._clients:
            client.start()
        try:
            yield
        finally:
            self._over.set()
            for client in self._clients:
                client.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            try:
                status, version, _ = ask(self._port, "/")
                self.answers[status, version] += 1
            except (OSError, http.client.HTTPException) as error:
                self.answers[repr(error)] += 1


def ask(port: int, path: str) -> tuple[int, str, bytes]:
    """Status, version and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("x-version", ""), answer.read()
    finally:
        connection.close()


async def test_versions_follow_each_other_under_load_and_one_goes_back(hold: Hold, docker_engine: Engine) -> None:
    hold.port = free_port()
    assert await hold.deploy(await hold.desired("v1", replicas=2), "r1") == "deployed"
    load = Load(hold.port)
    with load.running():
        stream = asyncio.create_task(asyncio.to_thread(ask, hold.port, "/stream/6"))
        patient(lambda: load.answers[200, "v1"] >= 20)
        assert await hold.deploy(await hold.desired("v2", replicas=2), "r2") == "deployed"
        patient(lambda: load.answers[200, "v2"] >= 20)
        assert (await hold.plan(await hold.desired("v2", replicas=2), "r2")).steps == ()
        assert await hold.deploy(await hold.desired("v1", replicas=2), "r1") == "deployed"
        before = load.answers[200, "v1"]
        patient(lambda: load.answers[200, "v1"] >= before + 20)
    assert {*load.answers} == {(200, "v1"), (200, "v2")}
    status, version, body = await stream
    assert (status, version) == (200, "v1")
    assert body.endswith(b"data: [DONE]\n\n")
    assert ask(hold.port, "/x")[2] == b"v1 %d /x" % len(PASSWORD)
    for container in docker_engine.containers(hold.environment.names.project):
        assert PASSWORD.decode() not in str(container.attrs)
    history = await hold.target.observer.history()
    assert [(one.release, one.who, one.where) for one in history] == [
        ("r1", "ada", "desk"),
        ("r2", "ada", "desk"),
        ("r1", "ada", "desk"),
    ]


async def test_what_cannot_be_deployed_is_undone_and_said_and_the_old_release_serves(hold: Hold) -> None:
    first = hold.quick("v1")
    assert await hold.deploy(first, "r1") == "deployed"
    before = await hold.target.observer.observe()
    with busy_port() as port:
        faults = {
            "started again": await hold.desired("crash"),
            "has not passed its gate within 3 s: GET /other answers 404": hold.quick("v2", path="/other", gate=3.0),
            "the image 127.0.0.1:1/none:1 cannot be brought": hold.quick("v2", image="127.0.0.1:1/none:1"),
            "already": hold.quick("v2", publish=(f"127.0.0.1:{port}>8080",)),
            "`sh -c echo no room; exit 7` has ended with 7; its last lines:\nno room": hold.quick(
                "v2", before=("sh", "-c", "echo no room; exit 7")
            ),
            "exec no-such-program failed": hold.quick("v2", command=("no-such-program",)),
            "nobody has sha256:": hold.quick("v2", mounts=(Mount(path="/x", digest=f"sha256:{'0' * 64}"),)),
        }
        for words, desired in faults.items():
            assert await hold.deploy(desired, "r2") == "undone", words
            problems = [entry.problem for entry in hold.told if isinstance(entry, Failed)]
            assert words in problems[-1]
            assert PASSWORD.decode() not in problems[-1]
            after = await hold.target.observer.observe()
            assert (after.instances, after.traffic, after.current) == (before.instances, before.traffic, "r1")
            assert [one.name for one in after.releases] == ["r1"]
    assert await hold.deploy(hold.quick("v2"), "r2") == "deployed"


@contextmanager
def busy_port() -> Iterator[int]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_host_that_nobody_has_prepared_is_looked_at_and_left_as_it_is(
    docker_engine: Engine, docker_project: str, keeper_image: str, tmp_path: Path
) -> None:
    section = TargetSection(kind="docker", host=docker_engine.url)
    site = Site(manifest=tmp_path, project=docker_project, environment="test", target=section, rise=Rise())
    async with docker_host(site, Carried()) as host:
        assert await host.salt() == ""
        seen = await host.target.observer.observe()
        assert (seen.instances, seen.releases, seen.salt) == ((), (), "")
        assert BUSYBOX in seen.images
        assert await host.target.observer.history() == ()
        assert docker_engine.containers(docker_project) == []
        await asyncio.gather(host.prepare(keeper_image), host.prepare(keeper_image))
        assert await host.salt() == (await host.target.observer.observe()).salt != ""


async def test_what_somebody_has_removed_is_missed_and_put_back(hold: Hold, docker_engine: Engine) -> None:
    hold.port = free_port()
    desired = await hold.desired("v1")
    assert await hold.deploy(desired, "r1") == "deployed"
    names = hold.environment.names
    for gone in (names.container("api", "r1", 0), names.container("edge")):
        docker_engine.client.containers.get(gone).remove(force=True)
        plan = await hold.plan(desired, "r1")
        assert plan.steps
        assert await hold.carrier.deploy(plan) == "deployed"
        patient(lambda: ask(hold.port, "/")[:2] == (200, "v1"))  # HAProxy looks a name up once a second


async def test_an_edge_and_a_keeper_that_were_killed_come_back_as_they_were(hold: Hold, docker_engine: Engine) -> None:
    hold.port = free_port()
    assert await hold.deploy(await hold.desired("v1"), "r1") == "deployed"
    assert await hold.deploy(await hold.desired("v2"), "r2", Rise(steps=(50,))) == "deployed"
    before = await hold.target.observer.observe()
    names = hold.environment.names
    for name in (names.container("edge"), names.keeper):
        docker_engine.client.containers.get(name).restart(timeout=0)
    seen = Counter[tuple[int, str]]()

    def both() -> bool:
        try:
            seen[ask(hold.port, "/")[:2]] += 1
        except (OSError, http.client.HTTPException):
            return False
        return len(seen) == 2

    patient(both)
    assert {*seen} == {(200, "v1"), (200, "v2")}
    after = await hold.target.observer.observe()
    assert (after.traffic, after.current) == (before.traffic, before.current)


async def test_images_go_when_no_release_of_any_environment_needs_them(
    hold: Hold, docker_engine: Engine, keeper_image: str
) -> None:
    project = hold.environment.names.project
    images = [f"{project}/app:{number}" for number in range(4)]
    for image in images:
        made = io.BytesIO(f"FROM {BUSYBOX}\nLABEL {LABEL}={project} at={image}".encode())
        docker_engine.client.images.build(fileobj=made, tag=image, rm=True)
    async with held(docker_engine.url, project, "other", keeper=keeper_image, contents=hold.contents) as other:
        assert await other.deploy(other.quick("0", image=images[0]), "r1") == "deployed"
        seen = (await other.target.observer.observe()).instances
        for number, image in enumerate(images):
            assert await hold.deploy(hold.quick(f"{number}", image=image), f"r{number + 1}") == "deployed"
        kept = await hold.target.observer.observe()
        assert [(one.name, one.missing) for one in kept.releases] == [("r4", ()), ("r3", ())]
        others = await other.target.observer.observe()
        assert (others.instances, [(one.name, one.missing) for one in others.releases]) == (seen, [("r1", ())])
        assert len([name for name in kept.images if name.startswith(f"modelwright/{project}.test/api:")]) == 2
        assert len([name for name in kept.images if name.startswith(f"modelwright/{project}.other/api:")]) == 1


async def test_weights_fill_a_volume_and_a_secret_belongs_to_the_user_of_the_image(
    hold: Hold, docker_engine: Engine
) -> None:
    project = hold.environment.names.project
    made = io.BytesIO(f"FROM {PYTHON}\nLABEL {LABEL}={project}\nUSER nobody".encode())
    image = f"{project}/app:nobody"
    docker_engine.client.images.build(fileobj=made, tag=image, rm=True)
    weights = hold.contents.add(packed({"model.bin": b"0123456789" * 100_000}))
    plain = (await hold.desired("v1", image=image)).workloads[0]
    mounts = (*plain.mounts, Mount(path="/weights", volume="weights", digest=weights))
    desired = await hold.desired("v1", image=image, mounts=mounts)
    assert await hold.deploy(desired, "r1") == "deployed"
    container = docker_engine.client.containers.get(hold.environment.names.container("api", "r1"))
    look = "wc -c < /weights/model.bin; stat -c '%a %U' /run/secrets/password; touch /weights/x 2>&- || echo read-only"
    output: Any = container.exec_run(["sh", "-c", look]).output
    said = output.decode()
    assert said.split("\n")[:2] == ["1000000", "400 nobody"]
    assert said.endswith("read-only\n")
    seen = await hold.target.observer.observe()
    assert (seen.volumes["weights"], seen.releases[0].missing) == (weights, ())
    assert (await hold.plan(desired, "r1")).steps == ()
    for release in ("r2", "r3"):
        assert "weights" in (await hold.target.observer.observe()).volumes
        assert await hold.deploy(hold.quick(release), release) == "deployed"
    assert "weights" not in (await hold.target.observer.observe()).volumes
    assert await hold.deploy(desired, "r4") == "deployed"
    seen = await hold.target.observer.observe()
    assert (seen.volumes["weights"], seen.releases[0].missing) == (weights, ())


async def test_an_image_that_gets_a_secret_comes_to_a_host_that_has_never_seen_it(
    hold: Hold, docker_engine: Engine, docker_registry: RegistryServer
) -> None:
    client, name = docker_engine.client, f"{docker_registry.address}/{hold.environment.names.project}:1"
    made = io.BytesIO(f"FROM {BUSYBOX}\nLABEL {LABEL}={hold.environment.names.project}".encode())
    image, _ = client.images.build(fileobj=made, tag=name, rm=True)
    client.images.push(name)
    client.images.remove(image.id, force=True)
    plain = await hold.desired("v1")
    desired = hold.quick("v1", image=name, mounts=(*hold.quick("v1").workloads[0].mounts, plain.workloads[0].mounts[1]))
    assert await hold.deploy(desired, "r1") == "deployed"


def packed(files: dict[str, bytes]) -> bytes:
    """As a tar."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()


async def test_instances_reach_those_of_their_release_and_services_by_name(hold: Hold, docker_engine: Engine) -> None:
    def desired(version: str) -> Desired:
        base = hold.quick(version)
        (plain,) = base.workloads
        kept = msgspec.structs.replace(hold.quick("kept").workloads[0], name="kept", kind="service", gate=None)
        back = msgspec.structs.replace(plain, name="back", env={"VERSION": version})
        ask_kept = ("wget", "-qO-", "http://kept:8080/healthz")
        front = msgspec.structs.replace(plain, after=("back", "kept"), before=ask_kept)
        return msgspec.structs.replace(base, workloads=(kept, back, front))

    for version, release in (("v1", "r1"), ("v2", "r2")):
        assert await hold.deploy(desired(version), release) == "deployed"
        front = docker_engine.client.containers.get(hold.environment.names.container("api", release))
        look = "wget -qO- http://back:8080/healthz; wget -qO- http://kept:8080/healthz"
        assert front.exec_run(["sh", "-c", look]).output == f"{version}kept".encode()
