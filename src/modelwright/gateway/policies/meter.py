"""Policy: every authenticated call gets exactly one outcome in the ledger, before its last byte reaches the client."""

from __future__ import annotations

import asyncio

from modelwright.core.contracts.ledger import LedgerRow, outcome_of
from modelwright.core.errors.calls import CallError, Draining
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.stores import LedgerSink
from modelwright.core.wire import anthropic
from modelwright.core.wire.status import status_of
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.charges import settle, told

DRAINED = "the gateway is stopping"


class Meter:
    """Outermost: sees every end that a call can have."""

    def __init__(self, ledger: LedgerSink, clock: Clock) -> None:
        self._ledger = ledger
        self._monotonic = clock.monotonic

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        try:
            reply = await proceed(call)
        except CallError as error:
            self._settle(call, error)
            raise
        except asyncio.CancelledError:
            error = call.stopped
            if error is None:
                self._settle(call, Draining(DRAINED))
                raise
            if call.task is not None:
                call.task.uncancel()
            self._settle(call, error)
            raise error from None
        except Exception:
            self._settle(call, CallError("internal error"))
            raise
        row = call.row
        row.status = reply.status
        if reply.chunks is None:
            row.bytes_out = len(reply.body)
            self._settle(call, call.failure)
            reply.headers += told(call)
        else:
            reply.settle = self._settle_stream
        return reply

    def _settle_stream(self, call: Call, error: CallError | None) -> None:
        if call.settled:
            return
        if error is None:
            error = call.failure if call.ended else call.failure or call.stopped or Draining(DRAINED)
        self._settle(call, error)

    def _settle(self, call: Call, error: CallError | None) -> None:
        call.ended = call.settled = True
        row = call.row
        row.latency_ms = int((self._monotonic() - call.started) * 1e6) / 1000  # whole microseconds
        if error is None:
            if row.outcome == "intent":
                row.outcome = "ok"
        else:
            _describe(call, error)
        settle(call, row)
        for tell in call.at_end:
            tell(row)
        if call.identified:
            self._ledger.outcome(row)


def _describe(call: Call, error: CallError) -> None:
    row = call.row
    row.error = error.code
    if row.status < 400:
        row.status = row.status if call.streaming else _status(error, row)
    row.outcome = outcome_of(error.code)


def _status(error: CallError, row: LedgerRow) -> int:
    return anthropic.status(error) if row.operation == "messages" else status_of(error)
