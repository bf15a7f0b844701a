"""What the dev provider has received, for tests to look at; bounded, oldest first out."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from modelwright.core.wire.unreadable import UNREADABLE

ENTRIES = 20_000
BYTES = 64 << 20
"""Bytes of bodies kept over all entries."""

_SECRET = frozenset({b"authorization", b"api-key", b"x-api-key", b"cookie"})


class Entry:
    """One request."""

    __slots__ = (
        "body",
        "client_gone",
        "connection",
        "faults",
        "finished",
        "headers",
        "method",
        "number",
        "path",
        "status",
        "tokens",
    )

    def __init__(
        self, *, number: int, connection: int, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> None:
        self.number = number
        self.connection = connection
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.status = 0
        self.tokens = 0
        """Tokens sent so far, of a stream."""
        self.faults: tuple[str, ...] = ()
        self.finished = False
        """The answer was sent to its end, or to where a fault ends it."""
        self.client_gone = False
        """The client closed the connection before the end of its answer."""

    def facts(self, *, secrets: bool) -> dict[str, Any]:
        """The entry for people and tests; keys masked unless `secrets`."""
        headers = {
            name.decode("latin-1"): "***" if name in _SECRET and not secrets else value.decode("latin-1")
            for name, value in self.headers
        }
        return {
            "number": self.number,
            "connection": self.connection,
            "method": self.method,
            "path": self.path,
            "headers": headers,
            "body": _readable(self.body),
            "status": self.status,
            "tokens": self.tokens,
            "faults": list(self.faults),
            "finished": self.finished,
            "client_gone": self.client_gone,
        }


class Journal:
    """The entries in the order of their arrival."""

    def __init__(self, *, entries: int = ENTRIES, size: int = BYTES) -> None:
        self._entries: deque[Entry] = deque()
        self._most = entries
        self._most_bytes = size
        self._bytes = 0
        self.count = 0

    def add(self, *, connection: int, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> Entry:
        """Note a request."""
        self.count += 1
        entry = Entry(number=self.count, connection=connection, method=method, path=path, headers=headers, body=body)
        self._entries.append(entry)
        self._bytes += len(body)
        while self._bytes > self._most_bytes or len(self._entries) > self._most:
            self._bytes -= len(self._entries.popleft().body)
        return entry

    def clear(self) -> None:
        """Forget all; the next request has number 1."""
        self._entries.clear()
        self._bytes = self.count = 0

    def facts(self, *, secrets: bool, after: int = 0) -> list[dict[str, Any]]:
        """All entries kept whose number is higher than `after`."""
        return [entry.facts(secrets=secrets) for entry in self._entries if entry.number > after]


def _readable(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body) if body else None
    except UNREADABLE:
        return body.decode("utf-8", "replace")
