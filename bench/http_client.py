"""Measures the HTTP client of the hot path: CPU of this process per call, beside aiohttp's, against one nginx.

The upstream answers `return 200` with about 600 bytes over keep-alive; streams come from a small asyncio server in a
process of its own, 100 chunks per answer as fast as it can. Only the client is measured.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from bench.process import LOAD_CPU, running, scratch, wait_for
from modelwright.adapters.http.aiohttp_client import AiohttpClient
from modelwright.adapters.http.pool import Pool
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest

CALLS = 40_000
ANSWERS, CHUNKS = 400, 100
CLIENTS: dict[str, Callable[[], Transport]] = {"pool": Pool, "aiohttp": AiohttpClient}
HEADERS = ((b"content-type", b"application/json"), (b"authorization", b"Bearer key"), (b"x-request-id", b"0123456789"))
EVENT = b'data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}\n\n'

NGINX = """
worker_processes 1; daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; default_type application/json;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{answer}'; }} }} }}
"""


class Streamer(asyncio.Protocol):
    """Answers every request with an event stream of CHUNKS chunks, each in its own turn of the loop."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self._transport.write(head)  # type: ignore[attr-defined]
        self._loop.call_soon(self._send, CHUNKS)

    def _send(self, left: int) -> None:
        chunk = b"%x\r\n%b\r\n" % (len(EVENT), EVENT) if left else b"0\r\n\r\n"
        self._transport.write(chunk)  # type: ignore[attr-defined]
        if left:
            self._loop.call_soon(self._send, left - 1)


class Bare(asyncio.Protocol):
    """The least that a call can cost on asyncio: fixed bytes out, a future, no parser; one connection per caller."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def call(self, request: bytes, *, size: int) -> asyncio.Future[None]:
        """Done once `size` bytes have come."""
        self._size = size
        self._answer = self._loop.create_future()
        self._transport.write(request)  # type: ignore[attr-defined]
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._size -= len(data)
        if self._size <= 0:
            self._answer.set_result(None)


def main() -> None:
    """Print one row per client."""
    ports = (_free_port(), _free_port())
    with scratch() as folder:
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=ports[0], answer="x" * 600))
        nginx = ["nginx", "-p", str(folder), "-c", str(config)]
        streamer = [sys.executable, "-m", "bench.http_client", "serve", str(ports[1])]
        with (
            running(nginx, cpu=LOAD_CPU, log=Path(folder / "out")),
            running(streamer, cpu=LOAD_CPU, log=Path(folder / "streamer")),
        ):
            wait_for(f"http://127.0.0.1:{ports[0]}/")
            wait_for(f"http://127.0.0.1:{ports[1]}/")
            print(f"{'CPU µs of the client':22} {'call c=1':>9} {'call c=64':>10} {'chunk c=64':>11}")
            row = uvloop.run(_bare_row(ports[0]))
            print(f"{'bare protocol':22} {row[0]:9.1f} {row[1]:10.1f}")
            for name, make in CLIENTS.items():
                row = uvloop.run(_row(make, *ports))
                print(f"{name:22} {row[0]:9.1f} {row[1]:10.1f} {row[2]:11.1f}")


async def _row(make: Callable[[], Transport], calls: int, streams: int) -> tuple[float, float, float]:
    client = make()
    call, stream = _request(calls), _request(streams)
    await _cpu(lambda: _call(client, call), times=2000, at_once=64)
    row = (
        await _cpu(lambda: _call(client, call), times=CALLS // 2, at_once=1),
        await _cpu(lambda: _call(client, call), times=CALLS, at_once=64),
        await _cpu(lambda: _stream(client, stream), times=ANSWERS, at_once=64) / CHUNKS,
    )
    await client.close()
    return row


async def _bare_row(port: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    free = [(await loop.create_connection(Bare, "127.0.0.1", port))[1] for _ in range(64)]
    request = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 400\r\n\r\n" + b"y" * 400
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    size = len(await reader.readuntil(b"\r\n\r\n")) + 600
    writer.close()

    async def call() -> None:
        connection = free.pop()
        await connection.call(request, size=size)
        free.append(connection)

    await _cpu(call, times=2000, at_once=64)
    return await _cpu(call, times=CALLS // 2, at_once=1), await _cpu(call, times=CALLS, at_once=64)


async def _cpu(action: Callable[[], Awaitable[None]], *, times: int, at_once: int) -> float:
    """CPU microseconds of this process per action."""

    async def many() -> None:
        for _ in range(times // at_once):
            await action()

    before = time.process_time()
    await asyncio.gather(*(many() for _ in range(at_once)))
    return 1e6 * (time.process_time() - before) / (times // at_once * at_once)


async def _call(client: Transport, request: UpstreamRequest) -> None:
    answer = await client.send(request, Deadlines())
    if len(await answer.read(1 << 20)) != 600:
        raise ValueError("not the whole answer")


async def _stream(client: Transport, request: UpstreamRequest) -> None:
    answer = await client.send(request, Deadlines())
    size = 0
    async for chunk in answer.chunks():
        size += len(chunk)
    if size != CHUNKS * len(EVENT):
        raise ValueError("not the whole answer")


def _request(port: int) -> UpstreamRequest:
    origin = Origin(scheme="http", host="127.0.0.1", port=port)
    return UpstreamRequest(
        origin=origin, method="POST", target="/v1/chat/completions", headers=HEADERS, body=b"y" * 400
    )


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Streamer, "127.0.0.1", port)
    await server.serve_forever()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(_serve(int(sys.argv[2])))
    else:
        main()
