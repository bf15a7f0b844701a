"""A real uvicorn server in a thread, with the protocol class under test, and raw sockets to talk to it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from modelwright.adapters.http.serve import AsgiProtocol
from modelwright.adapters.http.together import Gate

App = Callable[[Any, Any, Any], Awaitable[None]]
PROTOCOLS: dict[str, type[asyncio.Protocol]] = {"ours": AsgiProtocol, "uvicorn's": HttpToolsProtocol}


@contextmanager
def serving(
    app: App, protocol: type[asyncio.Protocol] = AsgiProtocol, *, patience: int = 30, gate: Gate | None = None
) -> Iterator[int]:
    """Serve the app on a free port, which is given."""
    config = uvicorn.Config(
        app,
        http=protocol,
        interface="asgi3",
        ws="none",
        lifespan="off",
        proxy_headers=False,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=patience,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    if gate is not None:
        server.server_state.gate = gate  # type: ignore[attr-defined]
    started = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_run, args=(server, listening, started))
        thread.start()
        started.wait(10)
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)
    assert not thread.is_alive()


def _run(server: uvicorn.Server, listening: socket.socket, started: threading.Event) -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(0.05, started.set)
        await server.serve(sockets=[listening])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


class Wire:
    """One raw connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self) -> tuple[int, dict[str, str]]:
        """The next answer's status and headers."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        return int(status.split(" ")[1]), dict(line.split(": ", 1) for line in lines)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer, whole, by its framing."""
        status, headers = self.head()
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, b"".join(self.chunks())
        if "content-length" not in headers:
            return status, headers, self.until_closed()
        return status, headers, self.take(int(headers["content-length"]))

    def chunks(self) -> Iterator[bytes]:
        """The chunks of an answer whose head was read."""
        while True:
            while b"\r\n" not in self._rest:
                self._more()
            size, _, self._rest = self._rest.partition(b"\r\n")
            chunk = self.take(int(size, 16) + 2)
            if chunk == b"\r\n":
                return
            yield chunk[:-2]

    def take(self, size: int) -> bytes:
        while len(self._rest) < size:
            self._more()
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def until_closed(self) -> bytes:
        """Everything up to the end of the connection."""
        try:
            while True:
                self._more()
        except EOFError:
            taken, self._rest = self._rest, b""
            return taken

    def _more(self) -> None:
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError(f"closed after {self._rest!r}")
        self._rest += data


async def body_of(receive: Any) -> bytes:
    """What an app reads of its request."""
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left")
        parts.append(message["body"])
        more = message["more_body"]
    return b"".join(parts)


async def reply(send: Any, body: bytes, *, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    """A whole answer."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})
