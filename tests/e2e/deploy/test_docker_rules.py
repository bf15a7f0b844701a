"""What a deploy to a Docker engine may not do: cut a stream, lose a service, or wait for what does not run."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import http.server
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.adapters.targets.docker.engine import Engine as EngineOf
from modelwright.adapters.targets.docker.images import Images
from modelwright.adapters.targets.docker.names import Names
from modelwright.app.deploying.docker_host import docker_host
from modelwright.app.deploying.reach import Site
from modelwright.app.deploying.sections.targets import TargetSection
from modelwright.core.deploying.front import SECURE_PORT
from modelwright.core.deploying.made import secret_digest
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired, Mount, Route, Tls, digest_of
from modelwright.core.errors.deploying import KeeperLost, StepFailed
from tests.e2e.clients import patient
from tests.making.certificates import make_certificates
from tests.making.docker_host.engine import Engine
from tests.making.docker_target import Carried, Hold, held
from tests.making.ports import free_port

pytestmark = pytest.mark.e2e


@pytest.fixture
async def hold(docker_engine: Engine, docker_project: str, keeper_image: str) -> AsyncIterator[Hold]:
    async with held(docker_engine.url, docker_project, keeper=keeper_image) as hold:
        hold.port = free_port()
        yield hold


class Stream:
    """One that is open, and read to its end by somebody else."""

    def __init__(self, port: int, seconds: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._connection.request("GET", f"/stream/{seconds}")
        self._answer = self._connection.getresponse()
        self.version = self._answer.headers["x-version"]

    async def whole(self) -> bool:
        """Whether it came to its end."""
        with contextlib.closing(self._connection):
            return (await asyncio.to_thread(self._answer.read)).endswith(b"data: [DONE]\n\n")


def get(port: int, host: str = "localhost", *, tls: ssl.SSLContext | None = None) -> tuple[int, bytes]:
    """Status and body."""
    if tls is not None:
        connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=tls)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/healthz", headers={"host": host})
        answer = connection.getresponse()
        return answer.status, answer.read()


async def test_streams_of_a_trial_that_is_undone_and_of_a_workload_that_is_renamed_come_to_their_end(
    hold: Hold,
) -> None:
    assert await hold.deploy(await hold.desired("v1"), "r1") == "deployed"
    plan = await hold.plan(await hold.desired("v2"), "r2", Rise(steps=(50, 100), pause=600.0))
    trying = asyncio.create_task(hold.carrier.deploy(plan))

    streams: list[Stream] = []

    def tried() -> bool:
        streams.append(Stream(hold.port, 3))
        return streams[-1].version == "v2"

    await asyncio.to_thread(patient, tried)
    trying.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await trying
    ends = [asyncio.create_task(one.whole()) for one in streams]
    assert await hold.carrier.abort() == "undone"
    assert all(await asyncio.gather(*ends))

    end = asyncio.create_task(Stream(hold.port, 3).whole())
    plain = await hold.desired("v3")
    api, edge = plain.workloads
    web = msgspec.structs.replace(plain, workloads=(msgspec.structs.replace(api, name="web"), edge))
    renamed = msgspec.structs.replace(web, routes=(Route(name="all", workload="web"),))
    assert await hold.deploy(renamed, "r3") == "deployed"
    assert await end


async def with_kept(hold: Hold, version: str, *, exposed: bool, **changes: Any) -> Desired:
    """An app, and a service that may have a host of its own."""
    base = hold.quick(version, **changes)
    _, edge = (await hold.desired(version)).workloads
    plain = hold.quick("kept").workloads[0]
    kept = msgspec.structs.replace(plain, name="kept", kind="service", gate=None, exposed=exposed)
    hosts = (Route(name="kept", workload="kept", host="kept.example.com"),) if exposed else ()
    return msgspec.structs.replace(base, workloads=(*base.workloads, kept, edge), routes=(*base.routes, *hosts))


async def test_a_service_is_there_again_when_a_deploy_is_undone_that_found_it_stopped_and_then_gets_a_host(
    hold: Hold, docker_engine: Engine
) -> None:
    first = await with_kept(hold, "v1", exposed=False)
    assert await hold.deploy(first, "r1") == "deployed"
    docker_engine.client.containers.get(hold.environment.names.container("kept")).stop(timeout=0)
    sick = await with_kept(hold, "v2", exposed=True, path="/other", gate=1.0)
    assert await hold.deploy(sick, "r2") == "undone"
    seen = (await hold.target.observer.observe()).instances
    (kept,) = (one for one in seen if one.workload == "kept")
    assert (kept.state, kept.digest) == ("ready", digest_of(first.workloads[1]))
    docker_engine.client.containers.get(hold.environment.names.container("api", "r1")).stop(timeout=0)
    well = await with_kept(hold, "v2", exposed=True)
    assert await hold.deploy(well, "r2", Rise(steps=(50, 100))) == "deployed"
    assert get(hold.port) == (200, b"v2")
    assert get(hold.port, "kept.example.com") == (200, b"kept")


async def test_a_keeper_that_was_removed_comes_back_with_all_that_it_knew(
    hold: Hold, docker_engine: Engine, keeper_image: str, tmp_path: Path
) -> None:
    assert await hold.deploy(hold.quick("v1"), "r1") == "deployed"
    before, names = await hold.target.observer.observe(), hold.environment.names
    section = TargetSection(kind="docker", host=docker_engine.url)
    site = Site(manifest=tmp_path, project=names.project, environment="test", target=section, rise=Rise())

    docker_engine.client.containers.get(names.keeper).remove(force=True)
    async with docker_host(site, Carried()) as host:
        after = await host.target.observer.observe()
        assert (after.current, after.releases, after.salt) == ("r1", before.releases, before.salt)
        assert [one.release for one in await host.target.observer.history()] == ["r1"]

    docker_engine.client.containers.get(names.keeper).remove(force=True)
    docker_engine.client.images.remove(names.keeper_image)
    async with docker_host(site, Carried()) as host:
        with pytest.raises(KeeperLost, match=rf"the volume {names.volume('state')} has its memory \(deploy"):
            await host.target.observer.observe()
        assert await host.salt() == ""
        await host.prepare(keeper_image)
        assert (await host.target.observer.observe()).salt == before.salt


async def test_a_registry_that_says_nothing_is_not_waited_for_without_end(docker_engine: Engine) -> None:
    with silent_registry() as port:
        engine = EngineOf(docker_engine.url, silence=1.0)
        image = f"127.0.0.1:{port}/none:1"
        with pytest.raises(StepFailed, match=rf"{image} cannot be brought: nothing was heard of it for 1 s.*registry"):
            await Images(engine, Names("none", "test")).bring(image)
        await engine.close()


@contextlib.contextmanager
def silent_registry() -> Iterator[int]:
    """It says that it is one, and nothing more until this ends."""
    over = threading.Event()

    class Answers(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path != "/v2/":
                over.wait()
            self.send_response(200 if self.path == "/v2/" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own word
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            over.set()
            server.shutdown()
            serving.join()


async def certified(hold: Hold, version: str, both: bytes, *, name: str, **changes: Any) -> Desired:
    """An app behind TLS, by a certificate that is called as the route is."""
    salt = (await hold.target.observer.observe()).salt
    digest, path = secret_digest(salt, both), f"/run/secrets/tls-{name}.pem"
    hold.contents.by_digest[digest] = both
    base = hold.quick(version, **changes)
    _, plain = (await hold.desired(version)).workloads
    mounts = (*plain.mounts, Mount(path=path, digest=digest, secret=True))
    publish = (f"127.0.0.1:{hold.port}>{SECURE_PORT}",)
    edge = msgspec.structs.replace(plain, mounts=mounts, publish=publish)
    route = Route(name=name, workload="api", host="localhost", tls=Tls(certificate=path))
    return msgspec.structs.replace(base, workloads=(*base.workloads, edge), routes=(route,))


async def test_a_route_that_is_renamed_with_its_certificate_is_served_by_tls_all_the_time(
    hold: Hold, docker_engine: Engine, tmp_path: Path
) -> None:
    """Also when what serves does not run by then."""
    made = make_certificates(tmp_path)
    both = (made / "server.pem").read_bytes() + (made / "server.key").read_bytes()
    trusting = ssl.create_default_context(cafile=made / "authority.pem")
    assert await hold.deploy(await certified(hold, "v1", both, name="one"), "r1") == "deployed"
    sick = await certified(hold, "v2", both, name="two", path="/other", gate=1.0)
    assert await hold.deploy(sick, "r2") == "undone"
    await asyncio.to_thread(patient, lambda: get(hold.port, tls=trusting) == (200, b"v1"))
    docker_engine.client.containers.get(hold.environment.names.container("api", "r1")).stop(timeout=0)
    well = await certified(hold, "v2", both, name="two")
    assert await hold.deploy(well, "r2", Rise(steps=(50, 100))) == "deployed"
    assert get(hold.port, tls=trusting) == (200, b"v2")
