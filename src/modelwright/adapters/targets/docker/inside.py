"""A program in a container that runs, with its input and its output as streams: nothing is held whole."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from threading import Event

from docker import APIClient
from docker.errors import APIError

from modelwright.adapters.targets.docker.session import plain_socket
from modelwright.core.ports.deploying.data import Pour

_HEADER = 8
"""Bytes before each piece, as for the keeper's session."""
_LOOK = 1.0
"""Seconds between two looks whether it is still wanted."""
_SAID = 4096


class Inside:
    """Started at once; `close` it. Of one thread."""

    def __init__(
        self, api: APIClient, container: str, words: Sequence[str], *, unwanted: Event, fed: bool = False
    ) -> None:
        """`fed`: it reads its standard input. Raises APIError."""
        self._api = api
        self._unwanted = unwanted
        self._made: str = api.exec_create(container, [*words], stdin=fed)["Id"]
        self._socket: socket.socket = plain_socket(api.exec_start(self._made, socket=True))
        self._socket.settimeout(None)
        self._fed = fed
        self._said = b""

    @property
    def said(self) -> str:
        """The last of what it had to complain about."""
        return self._said.decode("utf-8", "replace").strip()

    def feed(self, pour: Pour) -> None:
        """All of it, or until the program does not listen any more."""

        def take(piece: bytes) -> None:
            self._look()
            self._socket.sendall(piece)

        with suppress(BrokenPipeError, ConnectionResetError):
            pour(take)
            self._socket.shutdown(socket.SHUT_WR)

    def output(self) -> Iterator[bytes]:
        """Until it has ended. Raises APIError when it was cut off."""
        while header := self._exactly(_HEADER):
            size = int.from_bytes(header[4:])
            piece = self._exactly(size)
            if len(piece) < size and not self._fed:
                raise APIError("cut off")
            if header[0] == 1:
                yield piece
            else:
                self._said = (self._said + piece)[-_SAID:]

    def status(self) -> int | None:
        """That it has ended with; None: it has not, and was cut off."""
        return self._api.exec_inspect(self._made)["ExitCode"]

    def close(self) -> None:
        """Nobody listens any more."""
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        """None at the end, which is between two pieces."""
        found = bytearray()
        while len(found) < size:
            while not select.select([self._socket], [], [], _LOOK)[0]:
                self._look()
            self._look()
            try:
                piece = self._socket.recv(size - len(found))
            except OSError as error:
                if not (self._fed and isinstance(error, ConnectionResetError)):
                    raise APIError("cut off") from error
                return b""  # it has not heard all: its status says what became of it
            if not piece and found:
                raise APIError("cut off")
            if not piece:
                return b""
            found += piece
        return bytes(found)

    def _look(self) -> None:
        if self._unwanted.is_set():
            raise APIError("cut off")
