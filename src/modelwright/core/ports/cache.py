"""Port: where answers are kept for a while; whoever keeps them knows nothing of calls, tenants or wires."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer, or one vector of an answer."""

    at: float
    """Unix seconds at which it was kept."""
    body: bytes
    """A whole body; of a stream its events before the end mark."""
    content_type: bytes = b""
    around: bytes = b""
    """Of a vector: the answer that it came in, without vectors and counts."""
    usage: bytes = b""
    """Of a stream: the event with its usage, for clients that ask for it."""
    chunks: int = 0
    """Events in `body`."""
    tokens: int | None = None
    """What the provider counted for it, input and output together."""
    cost: str | None = None
    """What it cost, as an exact decimal; None: unpriced."""
    currency: str = ""


class CacheStore(Protocol):
    """Keeps answers by a key of 32 bytes, in bounded space; what it has lost is only a miss."""

    async def get(self, keys: Sequence[bytes]) -> Sequence[Kept | None]:
        """What is kept under each key and not too old. Never raises; a store that is away or slow has nothing."""
        ...

    def put(self, entries: Sequence[tuple[bytes, Kept]], *, ttl: float) -> None:
        """Keep each for at most `ttl` seconds. Never raises and never blocks; what does not fit is not kept."""
        ...

    def bound(self, size: int) -> None:
        """Hold at most so many bytes in this process from now on."""
        ...
