"""One attempt at a call: how it failed, the ledger row that it leaves, and the call made ready for the next one."""

from __future__ import annotations

import math

import msgspec

from modelwright.core.contracts.ledger import LedgerRow, outcome_of
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import ProviderAuth, ProviderRateLimited
from modelwright.core.wire.status import status_of
from modelwright.gateway.call import Call, Reply
from modelwright.gateway.charges import settle
from modelwright.gateway.inflight import leave_replica
from modelwright.gateway.lanes import Lane
from modelwright.gateway.routing.again import Verdict, verdict, verdict_of_status


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that may be followed by another: an error, or the answer of a worker of ours that says no."""

    verdict: Verdict
    error: CallError | None = None
    reply: Reply | None = None
    retry_after: float | None = None

    @property
    def key_refused(self) -> bool:
        """Whether another key of the same provider may be welcome."""
        return isinstance(self.error, ProviderAuth | ProviderRateLimited)

    def give(self) -> Reply:
        """What the client gets when no other attempt is made: the reply, or the error raised."""
        if self.reply is not None:
            return self.reply
        raise self.error or RuntimeError("an attempt failed without a reason")


def failed_by(call: Call, error: CallError) -> Failed:
    """From an error that Dispatch raised."""
    return Failed(verdict=verdict(error, call.answered), error=error, retry_after=error.retry_after)


def failed_with(call: Call, reply: Reply) -> Failed | None:
    """From what Dispatch returned; None when it is for the client."""
    if reply.status < 429 or call.lane is None or not call.lane.own:
        return None
    wait = next((value for name, value in reply.headers if name == b"retry-after"), b"")
    retry_after = float(wait) if wait.isdigit() else None
    return Failed(verdict=verdict_of_status(reply.status), reply=reply, retry_after=retry_after)


def settle_down(call: Call) -> None:
    """Nothing is under way for the call: it may wait, and be stopped again."""
    leave_replica(call)
    call.quiet_until = math.inf
    call.stopped = None
    call.begun = False
    call.answered = 0
    if call.watcher is not None and call.watcher.done():
        call.watcher = None  # the client may have left just when the upstream was given up: look again


def attempt_row(call: Call, failed: Failed, *, began: float, now: float) -> LedgerRow:
    """The row of an attempt that another one follows; `began` and `now` are monotonic."""
    row, error, reply = call.row, failed.error, failed.reply
    if error is not None:
        outcome, code, status = outcome_of(error.code), error.code, status_of(error)
    else:
        outcome, code, status = row.outcome, row.error, reply.status if reply is not None else 0
    attempt = msgspec.structs.replace(
        row,
        call=f"{row.call}.{row.attempts}",
        attempt_of=row.call,
        at=row.at + began - call.started,
        outcome=outcome,
        error=code,
        status=status,
        latency_ms=round((now - began) * 1000, 3),
        bytes_in=0,
        attempts=1,
        cache="",
    )
    settle(call, attempt)
    return attempt


def start_over(call: Call, lane: Lane) -> None:
    """The call's row tells of the next attempt from now on."""
    row = call.row
    call.lane = lane
    row.variant, row.provider, row.model = lane.variant, lane.provider, lane.model
    if lane.preamble is not None:
        lane.preamble.note(row)
    row.outcome, row.error, row.status = "intent", "", 0
    row.input_tokens = row.cached_tokens = row.cache_write_tokens = None
    row.output_tokens = row.reasoning_tokens = row.machine_us = None
    row.reserved = row.currency = ""
    row.first_token_ms = None
    row.chunks = 0
