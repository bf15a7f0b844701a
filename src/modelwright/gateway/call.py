"""A call on its way and the reply that it gets: plain holders that every policy sees, without rules of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol, TypeAlias

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors import CallError
from modelwright.core.wire.openai import RequestHead
from modelwright.gateway.lanes import Lane, Replica

HeaderPairs: TypeAlias = list[tuple[bytes, bytes]]
Handler: TypeAlias = Callable[["Call"], Awaitable["Reply"]]


class Policy(Protocol):
    """One stage of the chain: it may answer itself, raise a CallError, or ask the next stage and look at its reply."""

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        """`proceed` is the rest of the chain."""
        ...


class Call:
    """One call; it belongs to one task and is gone with it."""

    __slots__ = (
        "body",
        "client_gone",
        "deadline",
        "ended",
        "failure",
        "head",
        "headers",
        "identified",
        "lane",
        "operation",
        "read",
        "replica",
        "row",
        "settled",
        "started",
        "stopped",
        "streaming",
        "task",
        "version",
        "watcher",
    )

    def __init__(
        self,
        row: LedgerRow,
        *,
        headers: dict[bytes, bytes],
        started: float,
        read: Callable[[int], Awaitable[bytes]],
        client_gone: Callable[[], Awaitable[None]],
    ) -> None:
        """`headers` have lower-case names, `started` is monotonic; `read` takes the limit in bytes."""
        self.row = row
        self.operation = row.operation
        self.headers = headers
        self.started = started
        self.read = read
        self.client_gone = client_gone
        self.identified = False
        """Somebody known makes this call: it belongs into the ledger."""
        self.version = ""
        """Of the model, when a V2 path names one."""
        self.body = b""
        self.head: RequestHead | None = None
        self.lane: Lane | None = None
        self.replica: Replica | None = None
        self.streaming = False
        """The client gets a stream, whose status is sent before its end is known."""
        self.deadline = 0.0
        """Monotonic time at which the call is stopped."""
        self.task: asyncio.Task[object] | None = None
        self.watcher: asyncio.Task[None] | None = None
        """Waits for the client to leave, once the call has lasted a moment."""
        self.stopped: CallError | None = None
        """Why the call was cancelled from outside."""
        self.ended = False
        """No more is to come after the chunk in hand; whoever yields the last chunk of a stream sets it before."""
        self.failure: CallError | None = None
        """How a stream ended, when not well."""
        self.settled = False
        """The outcome is written."""


class Reply:
    """What the client gets: a whole body, or chunks as they arrive."""

    __slots__ = ("body", "chunks", "headers", "status")

    def __init__(
        self,
        status: int,
        *,
        headers: HeaderPairs,
        body: bytes = b"",
        chunks: AsyncGenerator[bytes, None] | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.chunks = chunks
