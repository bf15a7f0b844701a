"""What a deploy to a Docker engine may not do: cut a stream, lose a service, or wait for what does not run."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from modelwright.core.deploying.front import SECURE_PORT
from modelwright.core.deploying.made import secret_digest
from modelwright.core.deploying.trials import Rise
from modelwright.core.deploying.workloads import Desired, Mount, Route, Tls, digest_of
from tests.e2e.clients import patient
from tests.making.certificates import make_certificates
from tests.making.docker_host.engine import Engine
from tests.making.docker_target import Hold, held
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
    hold: Hold, docker_engine: Engine
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

    docker_engine.client.containers.get(hold.environment.names.container("web", "r3")).stop(timeout=0)
    assert await hold.deploy(await hold.desired("v4"), "r4", Rise(steps=(50, 100))) == "deployed"
    assert get(hold.port)[0] == 200


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
    assert await hold.deploy(await with_kept(hold, "v2", exposed=True), "r2") == "deployed"
    assert get(hold.port, "kept.example.com") == (200, b"kept")


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
    hold: Hold, tmp_path: Path
) -> None:
    made = make_certificates(tmp_path)
    both = (made / "server.pem").read_bytes() + (made / "server.key").read_bytes()
    trusting = ssl.create_default_context(cafile=made / "authority.pem")
    assert await hold.deploy(await certified(hold, "v1", both, name="one"), "r1") == "deployed"
    sick = await certified(hold, "v2", both, name="two", path="/other", gate=1.0)
    assert await hold.deploy(sick, "r2") == "undone"
    assert get(hold.port, tls=trusting) == (200, b"v1")
    well = await certified(hold, "v2", both, name="two")
    assert await hold.deploy(well, "r2", Rise(steps=(50, 100))) == "deployed"
    assert get(hold.port, tls=trusting) == (200, b"v2")
