"""What the connections of one server share."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from modelwright.adapters.http.outbox import Outbox


class Gate(Protocol):
    """Decides who is turned away before anything is made of a request."""

    shut: bool
    """Whether who comes now is turned away, if that can be done unread."""

    def enter(self) -> None:
        """A request was let in."""
        ...

    def refuse(self, target: str, request_id: bytes) -> bytes:
        """The whole answer for one that was not."""
        ...


class ServerState(Protocol):
    """What uvicorn shares between the connections of one server."""

    connections: set[Any]
    tasks: set[asyncio.Task[Any]]
    total_requests: int
    default_headers: list[tuple[bytes, bytes]]
    outbox: Outbox
    """Ours: made by the first connection."""
    gate: Gate
    """Ours, where requests may be turned away."""


def outbox_of(state: ServerState, loop: asyncio.AbstractEventLoop) -> Outbox:
    """The one that all connections of a server share."""
    outbox: Outbox | None = getattr(state, "outbox", None)
    if outbox is None:
        outbox = state.outbox = Outbox(loop)
    return outbox
