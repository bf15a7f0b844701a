"""The least that servers can do with a request: read it whole, hand it on over a Unix socket, read it there, answer.

No header is looked at but `Content-Length`, memory is used again, and the answer is always the same. What this costs is
the kernel's copies, the event loop's turns and the waking of processes: the floor under everything written on uvloop.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

import uvloop

from bench.process import SERVER_CPU, free_port, running, wait_for

ROOM = 4 << 20
"""Bytes of the largest request, and of the kernel's buffer between the two processes."""
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n" + bytes(40)


class Whole(asyncio.BufferedProtocol):
    """Reads whole requests of one size, one after the other, into memory that stays."""

    def __init__(self) -> None:
        self.memory = bytearray(ROOM)
        self.transport = cast("asyncio.Transport", None)
        self._held = 0
        self._size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self.memory)[self._held :]

    def buffer_updated(self, nbytes: int) -> None:
        self._held += nbytes
        self._size = self._size or _size(self.memory[:1024])
        if self._held == self._size:
            self._held = 0
            self.whole(self._size)

    def whole(self, size: int) -> None:
        """A request is there."""
        self.transport.write(ANSWER)


class Front(Whole):
    """Hands each request on, and its answer back."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._behind: asyncio.Transport | None = None
        self._waiting = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._dialled = asyncio.ensure_future(self._dial())

    def connection_lost(self, exc: Exception | None) -> None:
        if self._behind is not None:
            self._behind.close()

    def whole(self, size: int) -> None:
        if self._behind is None:
            self._waiting = size
        else:
            self._behind.write(memoryview(self.memory)[:size])

    async def _dial(self) -> None:
        behind = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        behind.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        behind.connect(self._path)
        loop = asyncio.get_running_loop()
        self._behind, _ = await loop.create_unix_connection(lambda: Back(self.transport), sock=behind)
        if self._waiting:
            self.whole(self._waiting)


class Back(asyncio.Protocol):
    """Gives answers back as they come."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)


def _size(head: bytearray) -> int:
    """Of a request, by its head; one that only asks whether we are there has no body."""
    end = head.index(b"\r\n\r\n") + 4
    _, found, rest = bytes(head[:end]).lower().partition(b"\r\ncontent-length:")
    return end + (int(rest.split(b"\r\n")[0]) if found else 0)


@contextmanager
def bare_chain(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Two processes on the server's processor: the URL of the first, and their ids."""
    path, port = str(folder / "bare.sock"), str(free_port())
    with ExitStack() as stack:
        started = [
            stack.enter_context(running(_command(*words), cpu=SERVER_CPU, log=folder / f"{words[0]}.log"))
            for words in (("behind", path), ("front", path, port))
        ]
        wait_for(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}/", [process.pid for process in started]


@contextmanager
def bare_server(folder: Path) -> Iterator[tuple[str, list[int]]]:
    """One process that answers by itself."""
    port = str(free_port())
    with running(_command("alone", port), cpu=SERVER_CPU, log=folder / "alone.log") as process:
        wait_for(f"http://127.0.0.1:{port}/")
        yield f"http://127.0.0.1:{port}/", [process.pid]


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "bench.bare_chain", *words]


async def _serve(what: str, *where: str) -> None:
    loop = asyncio.get_running_loop()
    match what, where:
        case "behind", (path,):
            server = await loop.create_unix_server(Whole, path)
        case "front", (path, port):
            server = await loop.create_server(lambda: Front(path), "127.0.0.1", int(port))
        case _, (port, *_):
            server = await loop.create_server(Whole, "127.0.0.1", int(port))
        case _:
            raise SystemExit("say behind, front or alone")
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(*sys.argv[1:]))
