"""What the clients make of an upstream's bytes: framing, informational answers, ends of connections, bad answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from modelwright.adapters.http.aiohttp_client import AiohttpClient
from modelwright.adapters.http.pool import Pool
from modelwright.core.errors.providers import ProviderError, ProviderUnreachable, UpstreamTruncated
from modelwright.core.ports.http import Deadlines, Transport, UpstreamRequest
from tests.contracts.upstream import Exchange, Play, Upstream, upstream

DEADLINES = Deadlines(connect=5.0, first_byte=10.0, idle=10.0)
OK = b"HTTP/1.1 200 OK\r\n"
CLIENTS: dict[str, Callable[[], Transport]] = {"pool": Pool, "aiohttp": AiohttpClient}


@pytest.fixture(params=CLIENTS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    transport = CLIENTS[request.param]()
    yield transport
    await transport.close()


def says(data: bytes, *, close: bool = False, split: int = 0) -> Play:
    async def play(exchange: Exchange) -> None:
        await (exchange.send_split(data, split) if split else exchange.send(data))
        if close:
            exchange.close()

    return play


async def fetch(client: Transport, up: Upstream, *, method: str = "POST") -> tuple[int, bytes]:
    request = UpstreamRequest(origin=up.origin, method=method, target="/", body=b"{}" if method == "POST" else b"")
    answer = await client.send(request, DEADLINES)
    return answer.status, await answer.read(1 << 20)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 5\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;why=not\r\nllo\r\n0\r\nX-Trailer: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + OK + b"Content-Length: 5\r\n\r\nhello",
    ],
    ids=["length", "chunked", "extensions-and-trailers", "continue", "early-hints"],
)
@pytest.mark.parametrize("split", [0, 1, 7], ids=["whole", "bytes", "sevens"])
async def test_answer_is_read_and_the_connection_kept(client: Transport, answer: bytes, split: int) -> None:
    async with upstream(says(answer, split=split)) as up:
        assert [await fetch(client, up) for _ in range(3)] == [(200, b"hello")] * 3
        assert up.connections == 1


@pytest.mark.parametrize(
    "answer",
    [OK + b"\r\nhello", b"HTTP/1.0 200 OK\r\n\r\nhello"],
    ids=["no-length", "http-1.0"],
)
async def test_the_close_is_an_honest_end_where_no_length_was_given(client: Transport, answer: bytes) -> None:
    async with upstream(says(answer, close=True)) as up:
        assert [await fetch(client, up) for _ in range(2)] == [(200, b"hello")] * 2
        assert up.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Content-Length: 9\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ],
    ids=["length", "no-last-chunk", "in-a-chunk", "in-the-last-chunk"],
)
async def test_an_end_before_the_end_is_truncation(client: Transport, answer: bytes) -> None:
    async with upstream(says(answer, close=True)) as up:
        with pytest.raises(UpstreamTruncated):
            await fetch(client, up)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-"], ids=["nothing", "half-a-head"])
async def test_no_answer_is_not_sent_again(client: Transport, head: bytes) -> None:
    async with upstream(says(head, close=True)) as up:
        with pytest.raises((ProviderUnreachable, UpstreamTruncated)):
            await fetch(client, up)
        assert len(up.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x50",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        OK + b"Content-Length: five\r\n\r\nhello",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\nfive\r\nhello\r\n0\r\n\r\n",
        OK + b"X-Long: " + b"x" * 400_000 + b"\r\n\r\n",
    ],
    ids=["other-protocol", "tls", "status", "length", "two-lengths", "chunk-size", "huge-header"],
)
async def test_unreadable_answer(client: Transport, answer: bytes) -> None:
    async with upstream(says(answer)) as up:
        with pytest.raises(ProviderError) as caught:
            await fetch(client, up)
        assert caught.value.place == f"http://127.0.0.1:{up.origin.port}"


async def test_connection_close_is_honoured(client: Transport) -> None:
    async with upstream(says(OK + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello")) as up:
        assert [await fetch(client, up) for _ in range(2)] == [(200, b"hello")] * 2
        assert up.connections == 2


async def test_head_has_a_length_and_no_body(client: Transport) -> None:
    async with upstream(says(OK + b"Content-Length: 5\r\n\r\n")) as up:
        assert await fetch(client, up, method="HEAD") == (200, b"")
        up.play = says(OK + b"Content-Length: 5\r\n\r\nhello")
        assert await fetch(client, up) == (200, b"hello")


async def test_hop_by_hop_headers_stay_behind(client: Transport) -> None:
    hop = b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n"
    async with upstream(says(OK + b"X-Kept: 1\r\n" + hop + b"\r\n0\r\n\r\n")) as up:
        request = UpstreamRequest(origin=up.origin, method="GET", target="/")
        answer = await client.send(request, DEADLINES)
        assert await answer.read(10) == b""
        assert answer.headers == [(b"x-kept", b"1")]


async def test_a_connection_that_its_peer_closed_while_idle_is_replaced(client: Transport) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(OK + b"Content-Length: 5\r\n\r\nhello")
        exchange.close()

    async with upstream(play) as up:
        for _ in range(5):
            assert await fetch(client, up) == (200, b"hello")
            await asyncio.sleep(0.01)
        assert len(up.requests) == 5


async def test_large_bodies_both_ways(client: Transport) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(OK + b"Content-Length: %d\r\n\r\n" % len(exchange.body))
        await exchange.send(exchange.body)

    body = bytes(range(256)) * 40_000
    async with upstream(play) as up:
        request = UpstreamRequest(origin=up.origin, method="POST", target="/", body=body)
        answer = await client.send(request, DEADLINES)
        assert await answer.read(len(body)) == body


async def test_unix_socket(client: Transport, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("u") / "s"
    async with upstream(says(OK + b"Content-Length: 5\r\n\r\nhello"), path=path) as up:
        assert [await fetch(client, up) for _ in range(2)] == [(200, b"hello")] * 2
        assert up.requests[0].header(b"host") == b"localhost"
        assert up.connections == 1
