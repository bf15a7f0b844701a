"""A call on its way and the reply that it gets: plain holders that every policy sees, without rules of their own."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol, TypeAlias

import msgspec

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.calls import CallError
from modelwright.core.identity import ANONYMOUS, Caller
from modelwright.core.prompting.opening import Opening
from modelwright.core.wire.openai import RequestHead
from modelwright.gateway.lanes import Lane, Replica

HeaderPairs: TypeAlias = list[tuple[bytes, bytes]]
Handler: TypeAlias = Callable[["Call"], Awaitable["Reply"]]


class Policy(Protocol):
    """One stage of the chain: it may answer itself, raise a CallError, or ask the next stage and look at its reply.

    One that only looks at the call before it goes on needs no coroutine: it returns what `proceed` returns.
    """

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        """`proceed` is the rest of the chain."""
        ...


class Call(msgspec.Struct, eq=False):
    """One call; it belongs to one task and is gone with it. A Struct for the speed of its constructor."""

    row: LedgerRow
    operation: str
    headers: dict[bytes, bytes]
    """Lower-case names."""
    started: float
    """Monotonic."""
    read: Callable[[int], Awaitable[bytes]]
    """The body, of at most so many bytes."""
    client_gone: Callable[[], Awaitable[None]]
    """Waits until the client leaves; only once the body was read."""
    version: str = ""
    """Of the model, when a V2 path names one."""
    caller: Caller = ANONYMOUS
    """Who calls, once that is known."""
    identified: bool = False
    """Somebody known makes this call: it belongs into the ledger."""
    body: bytes = b""
    head: RequestHead | None = None
    openings: dict[str, tuple[bytes, Opening | None]] | None = None
    """Prompts that were filled in for this call, by `name@version`, with the JSON of the values."""
    lane: Lane | None = None
    replica: Replica | None = None
    deadline: float = 0.0
    """Monotonic time at which the call is stopped."""
    quiet_until: float = math.inf
    """Monotonic time up to which the upstream may say nothing; infinite while nobody waits for it."""
    task: asyncio.Task[object] | None = None
    watcher: asyncio.Task[None] | None = None
    """Waits for the client to leave, once the call has lasted a moment."""
    needed: int = 0
    """Other calls that wait for this one's answer: while there are any, it goes on without its client."""
    deserted: bool = False
    """Its client has left all the same."""
    stopped: CallError | None = None
    """Why the call was cancelled from outside."""
    keeper: Callable[[Sequence[str]], int] | None = None
    """Chooses between the addresses of a model's replicas, when whoever calls keeps one."""
    answered: int = 0
    """Status of the upstream's answer, when it was no success."""
    begun: bool = False
    """Bytes of the answer's body have come."""
    streaming: bool = False
    """The client gets a stream, whose status is sent before its end is known."""
    giving: bool = False
    """A piece of the stream is being given to the client."""
    given: tuple[int, float] = (-1, 0.0)
    """How many bytes it had been given when it was last seen to wait for more room, and since when (monotonic)."""
    ended: bool = False
    """No more is to come after the chunk in hand; whoever yields the last chunk of a stream sets it before."""
    failure: CallError | None = None
    """How a stream ended, when not well."""
    settled: bool = False
    """The outcome is written."""
    client: str = ""
    """Address of who is connected, without its port; empty on a Unix socket."""
    told: tuple[tuple[bytes, bytes], ...] = ()
    """Headers that go on the answer, whether it is good or an error."""
    earlier: list[LedgerRow] | None = None
    """Rows of attempts before the present one, where somebody asks for them."""
    most: int = 256 << 20
    """Bytes of an answer that is not a stream."""
    at_end: tuple[Callable[[LedgerRow], None], ...] = ()
    """What policies want to do once the outcome is known, just before it is written; called once, in this order."""


class Reply:
    """What the client gets: a whole body, or chunks as they arrive."""

    __slots__ = ("body", "chunks", "headers", "settle", "status")

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
        self.settle: Callable[[Call, CallError | None], None] | None = None
        """Writes the outcome of a stream once. Whoever sends the chunks calls it: before the last one leaves, and at
        whatever end there is. No generator of its own does this, since every chunk would pass through it."""
