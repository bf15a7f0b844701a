"""One upstream request for all calls that ask the same at the same time: who leads it, who waits for it, how it ends.

A follower gets what the leader got, an error too, once: the next call asks anew. A leader that was stopped from
outside (its own time was over, the worker stops) shares nothing: its followers try for themselves, one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.calls import CallError
from modelwright.core.ports.cache import Kept
from modelwright.gateway.cache.saving import HEADER, note_answer, tokens_of
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.inflight import give_up
from modelwright.gateway.lanes import Lane


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """How a flight ended: with a reply or with an error."""

    row: LedgerRow
    """The leader's, complete."""
    lane: Lane | None
    """What has answered."""
    reply: Answered | None
    error: CallError | None


class Answered(msgspec.Struct, frozen=True):
    """A reply as it came, before anything was added to it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    outcome: str
    """What the dispatch has said of one that is no success; otherwise `intent`."""
    code: str


class Flight:
    """The calls that wait for one leader; told of its outcome by the meter."""

    __slots__ = ("_error", "_forget", "_leader", "_over", "_reply", "_waiting")

    def __init__(self, leader: Call, *, forget: Callable[[], object]) -> None:
        """`forget` is called at the end, before anybody is told of it."""
        self._leader = leader
        self._forget = forget
        self._reply: Answered | None = None
        self._error: CallError | None = None
        self._over = False
        self._waiting: list[asyncio.Future[Landed | None]] = []

    async def join(self) -> Landed | None:
        """Wait for the end; None when there is nothing to share. The leader goes on as long as somebody waits."""
        leader = self._leader
        leader.needed += 1
        told: asyncio.Future[Landed | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(told)
        try:
            return await told
        finally:
            leader.needed -= 1
            if not leader.needed and leader.deserted and not self._over:
                give_up(leader)

    async def lead(self, call: Call, proceed: Handler) -> Reply:
        """Ask for all, and note what comes of it."""
        row = call.row
        try:
            reply = await proceed(call)
        except CallError as error:
            if error is not call.stopped:
                self._error = error
            raise
        if reply.chunks is None:
            self._reply = Answered(reply.status, tuple(reply.headers), reply.body, row.outcome, row.error)
        return reply

    def __call__(self, row: LedgerRow) -> None:
        """The end, for everybody who waits."""
        self._over = True
        self._forget()
        waiting = [told for told in self._waiting if not told.done()]
        if not waiting:
            return
        landed: Landed | None = None
        if self._reply is not None or self._error is not None:
            landed = Landed(row=row, lane=self._leader.lane, reply=self._reply, error=self._error)
        for told in waiting:
            told.set_result(landed)


def shared(call: Call, landed: Landed) -> Reply:
    """A follower's reply; raises the leader's error."""
    row, leader, reply = call.row, landed.row, landed.reply
    row.cache = "shared"
    call.lane = landed.lane
    row.variant, row.provider, row.model = leader.variant, leader.provider, leader.model
    row.prompt, row.prompt_digest = leader.prompt, leader.prompt_digest
    row.input_tokens = row.output_tokens = 0
    if reply is None:
        raise _again(landed.error)
    note_answer(row, Kept(at=0.0, body=b"", tokens=tokens_of(leader), cost=leader.cost, currency=leader.currency))
    row.outcome, row.error = reply.outcome, reply.code
    return Reply(reply.status, headers=[*reply.headers, (HEADER, b"shared")], body=reply.body)


def _again(error: CallError | None) -> CallError:
    """The same error for another call: one that is raised twice would carry both tracebacks."""
    if error is None:
        return CallError("internal error")
    return type(error)(
        error.message, hint=error.hint, place=error.place, param=error.param, retry_after=error.retry_after
    )
