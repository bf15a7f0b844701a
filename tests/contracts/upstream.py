"""A raw HTTP/1.1 upstream for the transport's contract: plays scripts byte by byte over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from modelwright.adapters.http.fake import Scripted
from modelwright.core.ports.http import Origin


class Exchange:
    """One request and the bytes that answer it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, connection: int) -> None:
        self.connection = connection
        self.head = b""
        self.body = b""
        self._reader = reader
        self._writer = writer

    async def read(self) -> bool:
        """The next request of the connection; False when the client closed it."""
        try:
            self.head = await self._reader.readuntil(b"\r\n\r\n")
            length = self.header(b"content-length")
            self.body = await self._reader.readexactly(int(length)) if length else b""
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        return True

    def header(self, name: bytes) -> bytes:
        """Value of a request's header; empty when it is not there."""
        lines = self.head.lower().split(b"\r\n")
        return next((line.split(b":", 1)[1].strip() for line in lines if line.startswith(name + b":")), b"")

    async def send(self, data: bytes) -> None:
        """Write and flush."""
        self._writer.write(data)
        await self._writer.drain()

    async def send_split(self, data: bytes, size: int) -> None:
        """Write in pieces, each in a turn of its own."""
        for start in range(0, len(data), size):
            await self.send(data[start : start + size])
            await asyncio.sleep(0)

    async def word(self) -> bytes:
        """What comes next on a connection that has become something else than HTTP; empty at its end."""
        return await self._reader.read(65536)

    def close(self) -> None:
        """Close the connection (FIN)."""
        self._writer.close()

    def reset(self) -> None:
        """Break the connection (RST, where the transport can)."""
        self._writer.transport.abort()

    async def client_left(self) -> None:
        """Until the client closes the connection."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass


Play = Callable[[Exchange], Awaitable[None]]


class Upstream:
    """Counts what happened at a listening upstream."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.origin = Origin(scheme="http", host="127.0.0.1")
        self.connections = 0
        self.open = 0
        self.requests: list[Exchange] = []
        self.given_up = 0
        """Answers during which the client left."""
        self.failures: list[BaseException] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        self.open += 1
        connection = self.connections
        try:
            while await (exchange := Exchange(reader, writer, connection=connection)).read():
                self.requests.append(exchange)
                await self.play(exchange)
                if writer.is_closing():
                    return
        except ConnectionError:
            self.given_up += 1
        except Exception as error:  # noqa: BLE001 - shown by the fixture, since nobody awaits this task
            self.failures.append(error)
        finally:
            self.open -= 1
            writer.close()


@contextlib.asynccontextmanager
async def upstream(
    play: Play, *, tls: ssl.SSLContext | None = None, path: Path | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Upstream]:
    """A listening upstream; a failure of its script fails the test."""
    up = Upstream(play)
    if path is not None:
        server = await asyncio.start_unix_server(up.serve, path)
        up.origin = Origin(scheme="unix", host=str(path))
    else:
        server = await asyncio.start_server(up.serve, host, 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        up.origin = Origin(scheme="https" if tls else "http", host="localhost" if tls else host, port=port)
    try:
        yield up
    finally:
        server.close()
    assert not up.failures


def scripted(answers: list[Scripted]) -> Play:
    """Plays answers in order: with `content-length` when the script is whole and needs no wait, otherwise in chunks."""

    async def play(exchange: Exchange) -> None:
        answer = answers.pop(0)
        await _pause(answer.before_head, exchange)
        headers = b"".join(b"%b: %b\r\n" % pair for pair in answer.headers)
        head = b"HTTP/1.1 %d Scripted\r\n%b" % (answer.status, headers)
        body = [piece for piece in answer.pieces if isinstance(piece, bytes)]
        if answer.status in {204, 304}:
            await exchange.send(head + b"\r\n")
        elif answer.whole and len(body) == len(answer.pieces):
            await exchange.send(head + b"content-length: %d\r\n\r\n" % sum(map(len, body)) + b"".join(body))
        else:
            await exchange.send(head + b"transfer-encoding: chunked\r\n\r\n")
            await _chunks(answer, exchange)

    return play


async def _chunks(answer: Scripted, exchange: Exchange) -> None:
    for piece in answer.pieces:
        if isinstance(piece, bytes):
            await exchange.send(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            await _pause(piece, exchange)
    if answer.whole:
        await exchange.send(b"0\r\n\r\n")
    else:
        exchange.close()


async def _pause(seconds: float, exchange: Exchange) -> None:
    """Wait; raises ConnectionError when the client leaves meanwhile."""
    if not seconds:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await exchange.client_left()
            raise ConnectionError
