"""Questions to the keeper of an environment, over one `docker exec` that stays open; answers in whatever order."""

from __future__ import annotations

import asyncio
import itertools
import socket
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from docker.errors import APIError

from modelwright.adapters.targets.docker.engine import Engine, unreachable
from modelwright.adapters.targets.kept import Take
from modelwright.adapters.targets.wire import Asked, Told, error_from
from modelwright.core.errors.deploying import TargetUnreachable

Answer = TypeVar("Answer")
RELAY = ("python", "-m", "modelwright.app.keeper.relay")
_ANSWER = 45.0
"""Seconds in which the keeper has to answer."""
_HEADER = 8
"""Bytes before each piece: whether it is of the standard output (1) or of the errors (2), three of zero, its length."""
_LARGEST = 1 << 26
_TOLD = msgspec.json.Decoder(Told)


class Session:
    """An `Ask`; opened at the first question, and again when it was lost. Of one event loop; `close` it."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container
        self._opening = asyncio.Lock()
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Told]] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._said = b""

    async def __call__(self, question: Any, answer: type[Answer]) -> Answer:
        told = await self._once(question)
        if told is None and not isinstance(question, Take):
            told = await self._once(question)
        if told is None:
            words = " ".join(self._said.decode("utf-8", "replace").split()[-60:]) or "it has ended"
            hint = f"see `docker logs {self._container}` there, then go on with `modelwright resume`"
            raise TargetUnreachable(f"the keeper does not answer: {words}", hint=hint, place=self._engine.host)
        if told.error is not None:
            raise error_from(told.error)
        return msgspec.json.decode(told.answer, type=answer)

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _once(self, question: Any) -> Told | None:
        """None when it was lost on the way."""
        writer = await self._open()
        number = next(self._numbers)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            writer.write(msgspec.json.encode(Asked(number=number, question=question)) + b"\n")
            await writer.drain()
            async with asyncio.timeout(_ANSWER):
                return await future
        except OSError:  # a deadline that has passed is one, too
            self._lost()
            return None
        finally:
            self._waiting.pop(number, None)

    async def _open(self) -> asyncio.StreamWriter:
        async with self._opening:
            if self._writer is None:
                reader, self._writer = await self._connect()
                self._reading = asyncio.create_task(self._read(reader))
            return self._writer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        api = await self._engine.api()

        def start() -> socket.socket:
            made = api.exec_create(self._container, list(RELAY), stdin=True)
            found = api.exec_start(made["Id"], socket=True)
            return plain_socket(found)

        try:
            connection = await self._engine.call(start)
        except APIError as error:
            raise unreachable(self._engine.host, error) from error
        connection.settimeout(0.0)
        return await asyncio.open_connection(sock=connection, limit=_LARGEST)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        rest = self._said = b""
        try:
            while True:
                header = await reader.readexactly(_HEADER)
                piece = await reader.readexactly(int.from_bytes(header[4:]))
                if header[0] != 1:
                    self._said = (self._said + piece)[-4096:]
                    continue
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    self._hear(_TOLD.decode(line))
        except (OSError, EOFError, msgspec.DecodeError):
            self._lost()

    def _hear(self, told: Told) -> None:
        future = self._waiting.get(told.number)
        if future is not None and not future.done():
            future.set_result(told)

    def _lost(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError("the keeper's relay has ended"))


def plain_socket(found: Any) -> socket.socket:
    """The socket under what the client hands out; a second handle of it, as the client's own ends with its answer."""
    own = found._sock  # noqa: SLF001 - of the standard library's SocketIO; docker-py hands out nothing else
    plain = own.dup()
    own.close()
    found.close()
    return plain
