"""The pool beyond the port: reuse, staleness, bounds, ages, addresses, slow readers, and no secret in an error."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from modelwright.adapters.http.dial import Address
from modelwright.adapters.http.pool import Limits, Pool
from modelwright.core.errors.calls import CallError, Overloaded
from modelwright.core.errors.providers import ProviderError, ProviderTimeout, ProviderUnreachable, UpstreamTruncated
from modelwright.core.ports.http import Deadlines, Origin, UpstreamRequest
from tests.contracts.upstream import Exchange, Upstream, upstream

DEADLINES = Deadlines(connect=5.0, first_byte=10.0, idle=10.0)
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool()
    yield pool
    await pool.close()
    assert pool.open_connections == 0


async def hello(exchange: Exchange) -> None:
    await exchange.send(HELLO)


def post(up: Upstream, *, host: str = "") -> UpstreamRequest:
    origin = Origin(scheme="http", host=host, port=up.origin.port) if host else up.origin
    headers = ((b"authorization", b"Bearer sk-planted"),)
    return UpstreamRequest(origin=origin, method="POST", target="/v1/x?key=planted", headers=headers, body=b"{}")


async def fetch(pool: Pool, request: UpstreamRequest, *, deadlines: Deadlines = DEADLINES) -> bytes:
    return await (await pool.send(request, deadlines)).read(1 << 20)


async def settled(true: object) -> None:
    """The other side's doing comes a moment later."""
    assert callable(true)
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - it is the other side's doing
            await asyncio.sleep(0.005)


async def test_thousand_cancelled_streams_do_not_poison_the_pool(pool: Pool) -> None:
    async def play(exchange: Exchange) -> None:
        if exchange.body == b"{}":
            await hello(exchange)
            return
        await exchange.send(STREAM + b"3\r\none\r\n")
        await exchange.client_left()
        exchange.close()

    async with upstream(play) as up:
        endless = UpstreamRequest(origin=up.origin, method="POST", target="/", body=b"endless")
        for batch in range(20):
            tasks = [asyncio.create_task(fetch(pool, endless)) for _ in range(50)]
            await settled(lambda batch=batch: len(up.requests) > 50 * batch)
            for task in tasks:
                task.cancel()
            assert len(await asyncio.gather(*tasks, return_exceptions=True)) == 50
        assert [await fetch(pool, post(up)) for _ in range(100)] == [b"hello"] * 100
        assert len({exchange.connection for exchange in up.requests[-100:]}) == 1
        await settled(lambda: pool.open_connections == 1)
        await settled(lambda: up.open == 1)


async def test_connections_are_as_many_as_requests_at_once(pool: Pool) -> None:
    async with upstream(hello) as up:
        for _ in range(20):
            assert await asyncio.gather(*(fetch(pool, post(up)) for _ in range(8))) == [b"hello"] * 8
        assert up.connections == 8
        assert pool.open_connections == 8


async def test_stale_connection_is_seen_before_the_event_loop_hears_of_it(pool: Pool) -> None:
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        loop = asyncio.get_running_loop()

        async def answer_one() -> None:
            connection, _ = await loop.sock_accept(listener)
            accepted.append(connection)
            await loop.sock_recv(connection, 65536)
            await loop.sock_sendall(connection, HELLO)

        request = UpstreamRequest(
            origin=Origin(scheme="http", host="127.0.0.1", port=listener.getsockname()[1]), method="POST", target="/"
        )
        assert await asyncio.gather(fetch(pool, request), answer_one()) == [b"hello", None]
        accepted[0].close()  # no turn of the loop between this and the next request
        assert await asyncio.gather(fetch(pool, request), answer_one()) == [b"hello", None]
        accepted[1].close()


async def test_a_request_that_may_have_been_processed_is_not_sent_again(pool: Pool) -> None:
    async def play(exchange: Exchange) -> None:
        if len(up.requests) == 1:
            await hello(exchange)
        else:
            exchange.close()

    async with upstream(play) as up:
        assert await fetch(pool, post(up)) == b"hello"
        with pytest.raises(ProviderUnreachable):
            await fetch(pool, post(up))
        assert len(up.requests) == 2


@pytest.mark.parametrize("garbage", [b"H", b"HTTP/1.1 200 OK\r\n", HELLO, b"\0\0\0", b"junk"])
async def test_bytes_after_the_body_close_the_connection_and_harm_nobody(pool: Pool, garbage: bytes) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(HELLO + garbage)

    async with upstream(play) as up:
        assert [await fetch(pool, post(up)) for _ in range(3)] == [b"hello"] * 3
        assert up.connections == 3


async def test_bytes_that_nobody_asked_for_close_the_connection(pool: Pool) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(HELLO)
        if len(up.requests) == 1:
            await asyncio.sleep(0.02)
            await exchange.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")

    async with upstream(play) as up:
        assert await fetch(pool, post(up)) == b"hello"
        await settled(lambda: pool.open_connections == 0)
        assert await fetch(pool, post(up)) == b"hello"


async def test_early_answer_to_a_body_still_being_sent_closes_the_connection(pool: Pool) -> None:
    early = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await early.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    origin = Origin(scheme="http", host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    request = UpstreamRequest(origin=origin, method="POST", target="/", body=bytes(32 << 20))
    answer = await pool.send(request, DEADLINES)
    assert answer.status == 413
    await settled(lambda: pool.open_connections == 0)
    early.set()
    server.close()


async def test_slow_reader_holds_a_bounded_number_of_bytes(pool: Pool) -> None:
    piece, pieces, sent = b"%x\r\n%b\r\n" % (65536, b"x" * 65536), 400, 0

    async def play(exchange: Exchange) -> None:
        nonlocal sent
        await exchange.send(STREAM)
        for _ in range(pieces):
            await exchange.send(piece)
            sent += 1
        await exchange.send(b"0\r\n\r\n")

    async with upstream(play) as up:
        answer = await pool.send(post(up), Deadlines(connect=5.0, first_byte=5.0, idle=0.2))
        await asyncio.sleep(0.5)  # longer than the idle time: our own slowness is no stall
        held = sent
        assert held < pieces
        assert sum([len(chunk) async for chunk in answer.chunks()]) == 65536 * pieces
        assert pool.open_connections == 1


async def test_reset_is_truncation_even_without_a_length(pool: Pool) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await writer.drain()
        await asyncio.sleep(0.05)
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    origin = Origin(scheme="http", host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    with pytest.raises(UpstreamTruncated):
        await fetch(pool, UpstreamRequest(origin=origin, method="GET", target="/"))
    server.close()


async def test_a_coding_without_chunks_ends_with_the_connection(pool: Pool) -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello")
        exchange.close()

    async with upstream(play) as up:
        assert await fetch(pool, post(up)) == b"hello"


@pytest.mark.parametrize("limits", [Limits(keep=0.1), Limits(idle=0)], ids=["too-long-idle", "too-many-idle"])
async def test_idle_connections_are_closed(limits: Limits) -> None:
    pool = Pool(limits=limits)
    async with upstream(hello) as up:
        assert await fetch(pool, post(up)) == b"hello"
        await settled(lambda: up.open == 0 and pool.open_connections == 0)
        assert await fetch(pool, post(up)) == b"hello"
        assert up.connections == 2
    await pool.close()


async def test_a_changed_address_is_noticed_when_connections_are_old() -> None:
    addresses: list[int] = []

    async def resolve(_host: str, _port: int) -> Sequence[Address]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", addresses[-1]))]

    pool = Pool(limits=Limits(life=0.2), resolve=resolve)
    async with upstream(hello) as old, upstream(hello) as new:
        addresses.append(old.origin.port)
        request = post(old, host="models.example")
        assert await fetch(pool, request) == b"hello"
        addresses.append(new.origin.port)
        assert await fetch(pool, request) == b"hello"
        assert (len(old.requests), len(new.requests)) == (2, 0)
        await asyncio.sleep(0.4)
        assert await fetch(pool, request) == b"hello"
        assert (len(old.requests), len(new.requests)) == (2, 1)
    await pool.close()


async def test_an_address_that_swallows_everything_does_not_cost_the_deadline() -> None:
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        fillers = [socket.socket() for _ in range(4)]  # its queue is full now: a connect waits for ever
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(hole.getsockname())

        async def resolve(_host: str, port: int) -> Sequence[Address]:
            stream = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*stream, hole.getsockname()), (*stream, ("127.0.0.1", port))]

        pool = Pool(resolve=resolve)
        async with upstream(hello) as up:
            assert await fetch(pool, post(up, host="models.example")) == b"hello"
        await pool.close()
        direct, port = Pool(), hole.getsockname()[1]
        into = UpstreamRequest(origin=Origin(scheme="http", host="127.0.0.1", port=port), method="GET", target="/")
        with pytest.raises(ProviderTimeout, match=r"no connection within 0\.2 s"):
            await direct.send(into, Deadlines(connect=0.2))
        assert direct.open_connections == 0
        for filler in fillers:
            filler.close()


async def test_ipv6_that_nobody_serves_falls_back_to_ipv4() -> None:
    async def resolve(_host: str, port: int) -> Sequence[Address]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]

    pool = Pool(resolve=resolve)
    async with upstream(hello) as up:
        assert await fetch(pool, post(up, host="models.example")) == b"hello"
    await pool.close()


async def test_more_connections_than_allowed_are_refused_not_queued() -> None:
    pool = Pool(limits=Limits(open=2))

    async def play(exchange: Exchange) -> None:
        await exchange.client_left()
        exchange.close()

    async with upstream(play) as up:
        waiting = [asyncio.create_task(pool.send(post(up), DEADLINES)) for _ in range(2)]
        await settled(lambda: len(up.requests) == 2)
        with pytest.raises(Overloaded) as caught:
            await pool.send(post(up), DEADLINES)
        assert caught.value.retry_after == 1.0
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    await pool.close()


async def test_no_error_shows_the_key_or_the_query(pool: Pool) -> None:
    answers = [b"", b"junk", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nBearer", b"HTTP/1.1 200 OK\r\nContent-Len"]

    async def play(exchange: Exchange) -> None:
        await exchange.send(answers[len(up.requests) - 1])
        exchange.close()

    errors: list[CallError] = []
    async with upstream(play) as up:
        for _ in answers:
            with pytest.raises(ProviderError) as caught:
                await fetch(pool, post(up))
            errors.append(caught.value)
        gone = up.origin.port
    nowhere = UpstreamRequest(
        origin=Origin(scheme="http", host="127.0.0.1", port=gone), method="GET", target="/?planted"
    )
    with pytest.raises(ProviderUnreachable) as unreachable:
        await fetch(pool, nowhere)
    errors.append(unreachable.value)
    for error in errors:
        assert "planted" not in str(error)
        assert "127.0.0.1" in str(error)
        assert error.hint or isinstance(error, UpstreamTruncated)


async def test_an_open_connection_that_has_answered_tells_that_somebody_is_there(pool: Pool, tmp_path: Path) -> None:
    held = asyncio.Event()

    async def play(exchange: Exchange) -> None:
        await hello(exchange)
        await held.wait()
        exchange.close()

    async with upstream(play, path=tmp_path / "own.sock") as up:
        assert not pool.holds(up.origin)
        assert await fetch(pool, post(up)) == b"hello"
        assert pool.holds(up.origin)
        assert not pool.holds(Origin(scheme="unix", host="other"))
        held.set()
        await settled(lambda: not pool.holds(up.origin))


async def test_a_unix_socket_without_room_is_busy_and_not_lost(pool: Pool, tmp_path: Path) -> None:
    path = str(tmp_path / "full.sock")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as waiting:
        listener.bind(path)
        listener.listen(0)
        waiting.enter_context(socket.socket(socket.AF_UNIX)).connect(path)
        request = UpstreamRequest(origin=Origin(scheme="unix", host=path), method="GET", target="/")
        with pytest.raises(Overloaded, match="no room"):
            await pool.send(request, Deadlines(connect=0.02))
        sent = asyncio.ensure_future(fetch(pool, request))
        await asyncio.sleep(0.02)
        waiting.enter_context(listener.accept()[0])
        listener.setblocking(False)  # noqa: FBT003 - the only way to say it
        loop = asyncio.get_running_loop()
        taken = waiting.enter_context((await loop.sock_accept(listener))[0])
        await loop.sock_recv(taken, 65536)
        taken.sendall(HELLO)
        assert await sent == b"hello"
