"""HAProxy alone: nothing is reloaded for what can be told while it runs, and names may move."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec
import pytest

from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Route, Tls
from modelwright.core.errors.deploying import StepFailed
from modelwright.deploy.edges.doors import PROOFS, Doors
from modelwright.deploy.edges.haproxy import composed
from tests.contracts.edges import Instance, Running, front, instance, talk, until
from tests.contracts.names import names
from tests.making.certificates import make_certificates
from tests.making.ports import free_port


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running("haproxy", tmp_path)
    yield one
    one.kill()


async def test_it_is_not_reloaded_for_instances_and_weights(running: Running) -> None:
    async with instance("r1") as old, instance("r2") as new:
        await running.edge.configure(front(old))
        await running.start()
        async with talk(running.port) as lasting:
            await lasting.ask("/")
            for shares in ({"r1": 100}, {"r1": 90, "r2": 10}, {"r2": 100}):
                await running.edge.configure(front(old, new, shares=shares))
            assert (await lasting.ask("/")).json()["release"] == "r2"
        await running.edge.configure(front(new, shares={"r2": 100}))
        assert "Reloading" not in running.log
        await running.edge.configure(front(new, shares={"r2": 100}, prefix="/api"))
        assert "Reloading" in running.log


async def test_a_bad_certificate_leaves_everything_as_it_was(running: Running) -> None:
    async with instance("r1") as one:
        await running.edge.configure(front(one))
        await running.start()
        file = running.folder / "haproxy.cfg"
        before = file.read_text()
        (running.folder / "bad.pem").write_text("no certificate")
        running.open(certificates={"localhost": str(running.folder / "bad.pem")})
        with pytest.raises(StepFailed, match="refuses"):
            await running.edge.configure(front(one, host="localhost", tls=Tls()))
        assert file.read_text() == before
        async with talk(running.port) as client:
            assert (await client.ask("/")).status == 200


def named(one: Instance, name: str) -> Server:
    return msgspec.structs.replace(one.server, address=f"{name}:{one.up.origin.port}")


async def test_a_name_may_mean_another_address_tomorrow(running: Running) -> None:
    async with names() as engine, instance("r1") as old, instance("r2") as new:
        running.open(resolver=engine.address)
        engine.known = {"api-r1-0": "127.0.0.1", "api-r2-0": "127.0.0.1"}
        told = front(old)
        await running.edge.configure(msgspec.structs.replace(told, servers=(named(old, "api-r1-0"),)))
        await running.start()

        async def says(release: str) -> bool:
            async with talk(running.port) as client:
                heard = await client.ask("/")
                return heard.status == 200 and heard.json()["release"] == release

        await until(lambda: says("r1"))
        both = (named(old, "api-r1-0"), named(new, "api-r2-0"))
        for shares in ({"r1": 100}, {"r2": 100}):
            await running.edge.configure(msgspec.structs.replace(told, servers=both, shares={"api": shares}))
        assert await says("r2")
        engine.known = {"api-r1-0": "127.0.0.2", "api-r2-0": "127.0.0.2"}  # nobody listens there: the name has moved

        async def gone() -> bool:
            return not await says("r2")

        await until(gone)
        engine.known = {"api-r1-0": "127.0.0.1", "api-r2-0": "127.0.0.1"}
        await until(lambda: says("r2"))
        assert "Reloading" not in running.log


def test_everything_at_once_is_a_configuration_without_a_warning(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes((certificates / "server.pem").read_bytes() + (certificates / "server.key").read_bytes())
    routes = (
        Route(name="web", workload="web", host="kb.example.com", tls=Tls(), affinity="cookie kept", timeout=5),
        Route(name="api", workload="web", prefix="/api", affinity="header x-user", rate=5, rate_window=60, max_body=9),
        Route(name="v1", workload="gateway", prefix="/v1", headers={"X-A": 'it\'s "$HOME" %[src] 100% \\n'}),
    )
    servers = tuple(
        Server(name=f"web.r1.{number}", workload="web", release="r1", address=address)
        for number, address in enumerate(("10.0.0.1:80", "[2001:db8::1]:80", "web-r1-2:80"))
    )
    gone = Server(name="web.r1.3", workload="web", release="r1", address="web-r1-3:80", down=True)  # not looked up
    shares = {"web": {"r1": 100}}
    told = Front(routes=routes, servers=(*servers, gone), shares=shares, trusted=("10.0.0.0/8", "2001:db8::/32"))
    doors = Doors(
        folder=str(tmp_path),
        certificates={"kb.example.com": str(both)},
        resolver="127.0.0.11:53",
        proofs={PROOFS + "a-b_c": "a-b_c.d"},
    )
    file = tmp_path / "haproxy.cfg"
    file.write_text(composed(told, (), doors).text)
    program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert program
    done = subprocess.run([program, "-c", "-f", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "WARNING" in line]
    assert not [line for line in warnings if "could not resolve address 'web-r1-2'" not in line]


def read(url: str) -> str:
    with urlopen(url, timeout=60) as answer:  # noqa: S310 - of this test
        return answer.read().decode()


async def test_it_tells_numbers_of_its_own_where_it_is_told_to(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    running = Running("haproxy", tmp_path, numbers=address)
    try:
        async with instance("r1") as one:
            await running.edge.configure(front(one))
            await running.start()
            async with talk(running.port) as client:
                assert (await client.ask("/metrics")).json()["release"] == "r1", "not for those who come in"
            told = await asyncio.to_thread(read, f"http://{address}/metrics")
            with pytest.raises(HTTPError, match="404"):
                await asyncio.to_thread(read, f"http://{address}/")
        assert 'haproxy_backend_http_responses_total{proxy="route.api",code="2xx"} 1' in told
    finally:
        running.kill()
