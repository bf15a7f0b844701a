"""Certificates by ACME, from a real authority for tests (pebble), through real edges."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from modelwright.app.deploying.certificates import EARLY, renew
from modelwright.app.deploying.edges import certificates_in
from modelwright.app.keeper.certificates import keep_certificates
from modelwright.core.deploying.workloads import Tls
from tests.contracts.edges import KINDS, Running, front, instance, talk, until
from tests.contracts.names import names
from tests.making.certificates import make_certificates
from tests.making.ports import free_port

HOST = "kb.example.com"


@pytest.fixture(params=KINDS)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "edge").mkdir()
    one = Running(request.param, tmp_path / "edge")
    yield one
    one.kill()


@contextmanager
def authority(folder: Path, *, port: int, resolver: str) -> Iterator[tuple[str, Path]]:
    """(its directory, in whose name it speaks); it looks at hosts on this port."""
    certificates = make_certificates(folder)
    own = free_port()
    told = {
        "listenAddress": f"127.0.0.1:{own}",
        "managementListenAddress": f"127.0.0.1:{free_port()}",
        "certificate": str(certificates / "server.pem"),
        "privateKey": str(certificates / "server.key"),
        "httpPort": port,
        "tlsPort": port,
        "externalAccountBindingRequired": False,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": told}))
    program = shutil.which("pebble")
    assert program, "pebble is not installed: sh tests/system-packages.sh pebble"
    env = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "100"}
    command = [program, "-strict", "-config", str(folder / "pebble.json"), "-dnsserver", resolver]
    with (folder / "pebble.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env)
    try:
        for _ in range(3000):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", own)) == 0:
                    break
            assert process.poll() is None, (folder / "pebble.log").read_text()
            time.sleep(0.02)
        yield f"https://localhost:{own}/dir", certificates / "authority.pem"
    finally:
        process.kill()
        process.wait(timeout=60)


async def subject(port: int) -> str:
    """Serial number of the certificate at a door."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=HOST)
    found: ssl.SSLObject = writer.get_extra_info("ssl_object")
    raw = found.getpeercert(binary_form=True)
    writer.close()
    del reader
    assert raw
    return raw.hex()


async def test_a_certificate_is_had_and_renewed_while_requests_go_on(running: Running, tmp_path: Path) -> None:
    async with names() as resolver, instance("r1") as one:
        resolver.known = {HOST: "127.0.0.1"}
        with authority(tmp_path, port=running.port, resolver=resolver.address) as (directory, trusting):
            await running.edge.configure(front(one, host=HOST, tls=Tls(acme="ops@example.com", directory=directory)))
            await running.start()
            async with talk(running.port) as client:
                assert (await client.ask("/", host=HOST)).status == 200  # plain until there is one

            async def due(now: float) -> dict[str, str]:
                found = await renew(running.edge, folder=running.folder, state=tmp_path, now=now, trusting=trusting)
                return dict(found)

            keeping = keep_certificates(running.folder, tmp_path, lambda: running.edge, look=0.1, trusting=trusting)
            keeper = asyncio.create_task(keeping)

            async def is_had() -> bool:
                async with talk(running.port) as client:
                    heard = await client.begin("/", host=HOST)
                    return heard.headers.get("location") == f"https://{HOST}:{running.secure}/"

            await until(is_had)
            first = await subject(running.secure)
            keeper.cancel()
            await asyncio.wait([keeper])
            assert await due(time.time()) == {}
            assert await due(time.time() + 10 * 365 * 86_400 - EARLY) == {HOST: ""}
            assert await subject(running.secure) != first
            assert not [*(running.folder / "proofs").iterdir()]
            assert (tmp_path / "acme.pem").stat().st_mode & 0o777 == 0o600


async def test_a_host_that_is_not_ours_gets_none_and_nothing_else_changes(running: Running, tmp_path: Path) -> None:
    async with names() as resolver, instance("r1") as one:
        with authority(tmp_path, port=running.port, resolver=resolver.address) as (directory, trusting):
            await running.edge.configure(front(one, host=HOST, tls=Tls(acme="ops@example.com", directory=directory)))
            await running.start()
            told = await renew(running.edge, folder=running.folder, state=tmp_path, now=time.time(), trusting=trusting)
            assert HOST in told[HOST]
            assert "port 80" in told[HOST]
            assert not certificates_in(running.folder)
            async with talk(running.port) as client:
                assert (await client.ask("/", host=HOST)).status == 200
