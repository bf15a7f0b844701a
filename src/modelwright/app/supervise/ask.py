"""A question to a worker over its Unix socket; blocking, for the command line and a thread of the supervisor."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    body: bytes


def ask(path: Path | str, target: str, *, method: str = "GET", body: bytes = b"", within: float = 5.0) -> Answer:
    """One request and its whole answer; `within` seconds bound each wait. Raises OSError when nobody answers."""
    connection = _UnixConnection(str(path), within)
    try:
        headers = {"content-type": "application/json"} if body else {}
        connection.request(method, target, body or None, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())
    except http.client.HTTPException as error:
        raise ConnectionError(f"{path} gave no proper answer: {error!r}") from error
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, within: float) -> None:
        super().__init__("localhost")
        self._path = path
        self._within = within

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self._within)
        self.sock.connect(self._path)
