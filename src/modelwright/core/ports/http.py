"""Port: an HTTP/1.1 client for upstream calls, small enough for a hot path."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

Headers = Sequence[tuple[bytes, bytes]]


class Origin(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """Where a connection leads; the key of the pool."""

    scheme: str
    """http | https | unix."""
    host: str
    """Host name or address; for `unix` the socket's path."""
    port: int = 0


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request; the client adds `Host`, `Content-Length` and `Connection` itself."""

    origin: Origin
    method: str
    target: str
    """Path and query, already encoded."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Lower-case names."""
    body: bytes = b""


class Deadlines(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, each counted from its own start: connect, first byte of the head, gap between two chunks."""

    connect: float = 2.0
    first_byte: float = 60.0
    idle: float = 30.0


class UpstreamResponse(Protocol):
    """An answer whose head has arrived; the body is read by exactly one of `read` and `chunks`.

    Whoever receives one reads it to its end or calls `close`: otherwise its connection stays busy.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    """Lower-case names, in the order received; hop-by-hop headers are left out."""

    async def read(self, limit: int) -> bytes:
        """The whole body; raises UpstreamTruncated, UpstreamStalled, or ProviderError past `limit` bytes."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Body bytes as they arrive, nothing held back; raises UpstreamTruncated, UpstreamStalled, or ProviderError.

        What had arrived before the failure comes first. Cancelling the reader closes the connection.
        """
        ...

    def close(self) -> None:
        """Give up: an unfinished exchange closes its connection at once; a finished one is already back in the pool."""
        ...


class Transport(Protocol):
    """Sends requests over pooled keep-alive connections."""

    async def send(self, request: UpstreamRequest, deadlines: Deadlines) -> UpstreamResponse:
        """Send and wait for the head.

        Raises ProviderUnreachable (no connection, or broken before any answer), ProviderTimeout, UpstreamTruncated
        (broken within the head), ProviderError (not HTTP), Overloaded (our bound of connections, or a Unix
        socket's), Stopped (closed), and
        ValueError for a request that cannot be written. A pooled connection that its peer closed while it was idle is
        replaced unseen; once a request was written it is never sent again. Cancelling the caller closes the connection.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
