"""TLS of both clients with real certificates: a private authority, a client's own certificate, and what is refused."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from modelwright.adapters.http.aiohttp_client import AiohttpClient
from modelwright.adapters.http.dial import tls_context
from modelwright.adapters.http.pool import Pool
from modelwright.core.errors.providers import ProviderTimeout, ProviderUnreachable
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest
from tests.contracts.upstream import Exchange, Upstream, upstream
from tests.making.certificates import make_certificates

CLIENTS: dict[str, Callable[..., Transport]] = {"pool": Pool, "aiohttp": AiohttpClient}
DEADLINES = Deadlines(connect=10.0, first_byte=10.0, idle=10.0)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with authority.pem, and server and client (.pem, .key) that it signed."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> Callable[..., Transport]:
    return CLIENTS[request.param]


def serving(certificates: Path, *, ask_client: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
    if ask_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates / "authority.pem")
    return context


async def hello(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


async def fetch(client: Transport, up: Upstream, *, host: str = "localhost", times: int = 1) -> list[bytes]:
    origin = Origin(scheme="https", host=host, port=up.origin.port)
    request = UpstreamRequest(origin=origin, method="POST", target="/", body=b"{}")
    try:
        return [await (await client.send(request, DEADLINES)).read(100) for _ in range(times)]
    finally:
        await client.close()


async def test_private_authority(client: Callable[..., Transport], certificates: Path) -> None:
    trusting = client(tls=lambda: tls_context(ca_bundle=str(certificates / "authority.pem")))
    async with upstream(hello, tls=serving(certificates)) as up:
        assert await fetch(trusting, up, times=3) == [b"hello"] * 3
        assert up.connections == 1
        assert up.requests[0].header(b"host") == b"localhost:%d" % up.origin.port


async def test_authority_from_the_environment(
    client: Callable[..., Transport], certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates / "authority.pem"))
    async with upstream(hello, tls=serving(certificates)) as up:
        assert await fetch(client(), up) == [b"hello"]


async def test_unknown_authority_is_refused_before_anything_is_sent(
    client: Callable[..., Transport], certificates: Path
) -> None:
    async with upstream(hello, tls=serving(certificates)) as up:
        with pytest.raises(ProviderUnreachable, match="certificate is not trusted") as caught:
            await fetch(client(), up)
        assert "MODELWRIGHT_CA_BUNDLE" in caught.value.hint
        assert up.requests == []


async def test_certificate_of_another_name_is_refused(client: Callable[..., Transport], certificates: Path) -> None:
    trusting = client(tls=lambda: tls_context(ca_bundle=str(certificates / "authority.pem")))
    async with upstream(hello, tls=serving(certificates)) as up:
        with pytest.raises(ProviderUnreachable, match="certificate is not trusted"):
            await fetch(trusting, up, host="127.0.0.1")
        assert up.requests == []


async def test_upstream_that_wants_a_certificate_of_ours(client: Callable[..., Transport], certificates: Path) -> None:
    authority, own = str(certificates / "authority.pem"), str(certificates / "client.pem")
    known = client(tls=lambda: tls_context(ca_bundle=authority, certificate=own, key=own.replace(".pem", ".key")))
    unknown = client(tls=lambda: tls_context(ca_bundle=authority))
    async with upstream(hello, tls=serving(certificates, ask_client=True)) as up:
        assert await fetch(known, up, times=2) == [b"hello"] * 2
        with pytest.raises(ProviderUnreachable):
            await fetch(unknown, up)
        assert len(up.requests) == 2


async def test_tls_to_an_upstream_without_it(client: Callable[..., Transport]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    transport = client()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    origin = Origin(scheme="https", host="localhost", port=server.sockets[0].getsockname()[1])
    with pytest.raises(ProviderUnreachable) as caught:
        await transport.send(UpstreamRequest(origin=origin, method="GET", target="/"), DEADLINES)
    assert caught.value.place == f"https://localhost:{origin.port}"
    await transport.close()
    server.close()


async def test_handshake_that_never_ends_is_a_timeout(client: Callable[..., Transport]) -> None:
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            pass
        writer.close()
        left.set()

    transport = client()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    origin = Origin(scheme="https", host="localhost", port=server.sockets[0].getsockname()[1])
    with pytest.raises(ProviderTimeout):
        await transport.send(UpstreamRequest(origin=origin, method="GET", target="/"), Deadlines(connect=0.3))
    await asyncio.wait_for(left.wait(), 5)  # the client has closed its side
    await transport.close()
    server.close()


def test_missing_bundle_is_an_error() -> None:
    with pytest.raises(OSError, match="No such file"):
        tls_context(ca_bundle="/nonexistent/authority.pem")
