"""nginx alone: a configuration that it refuses leaves everything as it was, and all of it together is one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Route, Tls
from modelwright.core.errors.deploying import DeployError, StepFailed
from modelwright.deploy.edges.doors import PROOFS, Doors
from modelwright.deploy.edges.nginx import composed
from tests.contracts.edges import Running, front, instance, talk
from tests.making.certificates import make_certificates


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running("nginx", tmp_path)
    yield one
    one.kill()


async def test_a_bad_certificate_leaves_everything_as_it_was(running: Running) -> None:
    async with instance("r1") as one:
        await running.edge.configure(front(one))
        await running.start()
        file = running.folder / "nginx.conf"
        before = file.read_text()
        (running.folder / "bad.pem").write_text("no certificate")
        running.open(certificates={"localhost": str(running.folder / "bad.pem")})
        with pytest.raises(StepFailed, match=r"refuses.*bad\.pem"):
            await running.edge.configure(front(one, host="localhost", tls=Tls()))
        assert file.read_text() == before
        async with talk(running.port) as client:
            assert (await client.ask("/")).status == 200


async def test_what_only_newer_ones_understand_is_told_to_them_alone(running: Running) -> None:
    async with instance("r1") as one:
        await running.edge.configure(front(one))
        await running.start()
        told = (running.folder / "nginx.keeps").read_text()
        assert told == ("keepalive_min_timeout 1s;\n" if _version() >= (1, 27, 4) else "")


def test_everything_at_once_is_a_configuration_without_a_warning(tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes((certificates / "server.pem").read_bytes() + (certificates / "server.key").read_bytes())
    routes = (
        Route(name="web", workload="web", host="kb.example.com", tls=Tls(), affinity="cookie kept", timeout=5),
        Route(name="web.api", workload="web", prefix="/api", affinity="header x-user", rate=5, max_body=9),
        Route(name="web-api", workload="gateway", prefix="/v1", headers={"X-A": 'it\'s "$HOME" 100% \\n'}),
    )
    servers = tuple(
        Server(name=f"web.{release}.{number}", workload="web", release=release, address=address)
        for number, (release, address) in enumerate((("r1", "10.0.0.1:80"), ("r2", "[2001:db8::1]:80")))
    )
    shares = {route.name: {"r1": 90, "r2": 10} for route in routes}
    told = Front(routes=routes, servers=servers, shares=shares, trusted=("10.0.0.0/8", "2001:db8::/32"))
    doors = Doors(
        folder=str(tmp_path), certificates={"kb.example.com": str(both)}, proofs={PROOFS + "a-b_c": "a-b_c.d"}
    )
    file = tmp_path / "nginx.conf"
    file.write_text(composed(told, (), doors).text)
    test = [_program(), "-t", "-q", "-e", "stderr", "-c", str(file)]
    done = subprocess.run(test, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


def _version() -> tuple[int, ...]:
    said = subprocess.run([_program(), "-v"], capture_output=True, text=True, check=True, timeout=60).stderr
    return tuple(map(int, said.partition("/")[2].split()[0].split(".")))


def _program() -> str:
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert program
    return program


def test_a_cookie_that_it_cannot_look_at_is_refused(tmp_path: Path) -> None:
    told = Front(routes=(Route(name="web", workload="web", affinity="cookie a.b"),))
    with pytest.raises(DeployError, match=r"a\.b"):
        composed(told, (), Doors(folder=str(tmp_path)))
