"""Real edges before real instances on loopback: who is started is ended, with all that it has started."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from modelwright.app.deploying.edges import StandingEdge, edge_in
from modelwright.core.deploying.edges import haproxy_command, nginx_command
from modelwright.core.deploying.front import Front, Server
from modelwright.core.deploying.workloads import Route
from modelwright.deploy.edges.doors import Doors
from tests.contracts.upstream import Exchange, Upstream, upstream
from tests.making.ports import free_port

COMMANDS = {"haproxy": haproxy_command, "nginx": nginx_command}
KINDS = tuple(COMMANDS)


class Instance:
    """Says who it is and what it was asked; a stream says one word and ends when it is let go."""

    def __init__(self, release: str, up: Upstream, *, name: str = "", workload: str = "api") -> None:
        self.up = up
        self.server = Server(
            name=name or f"{workload}.{release}.0",
            workload=workload,
            release=release,
            address=f"127.0.0.1:{up.origin.port}",
        )
        self.go = asyncio.Event()
        self.says = b""
        """Lines for the heads of its answers."""

    async def play(self, exchange: Exchange) -> None:
        path = exchange.head.split(b" ", 2)[1]
        if path.endswith(b"/stream"):
            await self._stream(exchange)
        elif path.endswith(b"/socket"):
            await self._socket(exchange)
        else:
            lines = exchange.head.decode().split("\r\n")[1:]
            heard = {
                "server": self.server.name,
                "release": self.server.release,
                "lines": [each for each in lines if each],
            }
            body = msgspec.json.encode({**heard, "body": len(exchange.body)})
            status = b"500 Internal Server Error" if path.endswith(b"/fail") else b"200 OK"
            head = b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n" % (status, self.says, len(body))
            await exchange.send(head + body)

    async def _stream(self, exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        await exchange.send(b"d\r\ndata: first\n\n\r\n")
        await self.go.wait()
        await exchange.send(b"c\r\ndata: last\n\n\r\n0\r\n\r\n")

    async def _socket(self, exchange: Exchange) -> None:
        key = next(line[19:] for line in exchange.head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:"))
        proof = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
        head = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        await exchange.send(head + b"sec-websocket-accept: %b\r\n\r\n" % proof)
        while word := await exchange.word():
            await exchange.send(word)
        exchange.close()


@contextlib.asynccontextmanager
async def instance(release: str, *, name: str = "", workload: str = "api") -> AsyncIterator[Instance]:
    """One that listens on a free port."""
    async with upstream(_unasked) as up:
        one = Instance(release, up, name=name, workload=workload)
        up.play = one.play
        yield one
        one.go.set()


async def _unasked(_: Exchange) -> None:
    raise AssertionError("nobody was told of it")


class Running:
    """An edge's program, in a process group of its own."""

    def __init__(self, kind: str, folder: Path, **doors: Any) -> None:
        self.kind = kind
        self.folder = folder
        self.port, self.secure = free_port(), free_port()
        self.edge: StandingEdge
        self.open(**doors)
        self._process: subprocess.Popen[bytes] | None = None

    def open(self, **doors: Any) -> None:
        """With other doors than before."""
        plain, secure = f"127.0.0.1:{self.port}", f"127.0.0.1:{self.secure}"
        self.edge = edge_in(
            self.folder,
            kind=self.kind,
            doors=Doors(folder=str(self.folder), plain=plain, secure=secure, port=self.secure, **doors),
        )

    async def start(self) -> None:
        """Until it takes connections."""
        self._begin()
        await until(self._is_open)

    def _begin(self) -> None:
        first, *rest = COMMANDS[self.kind](str(self.folder))
        program = shutil.which(first, path=f"{os.environ['PATH']}:/usr/sbin")
        assert program, f"{first} is not installed: sh tests/system-packages.sh {first}"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program, *rest], stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """At once, with whatever it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=60)
            self._process = None
            closed(self.port)
            closed(self.secure)

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    async def _is_open(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True


def closed(port: int, *, seconds: float = 60.0) -> None:
    """Wait until nobody listens there: the workers of a killed program die a moment after it."""
    end = time.monotonic() + seconds
    while True:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)):
                return
        assert time.monotonic() < end, f"somebody listens at {port}"
        time.sleep(0.02)


async def until(done: Callable[[], Awaitable[bool]], *, seconds: float = 120.0) -> None:
    """Wait until something is so; fails the test when it is not in time."""
    async with asyncio.timeout(seconds):
        while not await done():  # noqa: ASYNC110 - it is another program that gets there
            await asyncio.sleep(0.02)


def front(*instances: Instance, shares: dict[str, int] | None = None, **route: Any) -> Front:
    """One route to all of them."""
    way = Route(name="api", workload="api", **route)
    return Front(
        routes=(way,),
        servers=tuple(one.server for one in instances),
        shares={"api": shares or {instances[0].server.release: 100}},
    )


class Heard(msgspec.Struct):
    """An answer's head."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Talk:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, path: str = "/", *, method: str = "GET", body: bytes = b"", **headers: str) -> Heard:
        """A request and its whole answer; names of headers with `_` for `-`."""
        head = await self.begin(path, method=method, body=body, **headers)
        if "content-length" in head.headers:
            head.body = await self._reader.readexactly(int(head.headers["content-length"]))
        return head

    async def begin(self, path: str = "/", *, method: str = "GET", body: bytes = b"", **headers: str) -> Heard:
        """A request and the head of its answer."""
        await self.begin_only(path, method=method, body=body, **headers)
        return await self.head()

    async def begin_only(self, path: str = "/", *, method: str = "GET", body: bytes = b"", **headers: str) -> None:
        """A request."""
        lines = {"host": "example.com"} | {name.replace("_", "-"): value for name, value in headers.items()}
        if body:
            lines.setdefault("content-length", str(len(body)))
        asked = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self.say(f"{method} {path} HTTP/1.1\r\n{asked}\r\n".encode() + body)

    async def head(self) -> Heard:
        """Of an answer."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.strip().split("\r\n")
        pairs = [line.split(": ", 1) for line in rest]
        return Heard(status=int(first.split(" ")[1]), headers={name.lower(): value for name, value in pairs})

    async def say(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def hear(self, until: bytes) -> bytes:
        """What comes until then."""
        return await self._reader.readuntil(until)


@contextlib.asynccontextmanager
async def talk(port: int, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Talk]:
    """A new connection."""
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    try:
        yield Talk(reader, writer)
    finally:
        writer.close()
