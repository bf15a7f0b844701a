"""Policy: no call passes a limit that the manifest sets; what it may use is reserved before, and settled at its end."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.limits import Spent, Verdict, costs_of, tokens_of
from modelwright.core.ports.limits import Limiter
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.lanes import Table
from modelwright.gateway.limits.asks import Asker
from modelwright.gateway.limits.words import headers, refusal


class Limit:
    """All limits of a call in one step; comes after the route, since an endpoint may have limits too."""

    def __init__(self, table: Table, limiter: Limiter) -> None:
        self._asks = Asker(table.snapshot.limits, table.routes).asks
        self._limiter = limiter
        self._persists = any(route.persists for route in table.routes.values())
        self._settle = _settle_costs if any(each.of == "cost" for each in table.snapshot.limits.each) else _settle

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        asks = self._asks(call)
        if not asks:  # only others have limits
            return proceed(call)
        verdict = self._limiter.reserve(call.row.call, asks)
        if isinstance(verdict, Verdict):
            self._heed(call, verdict)
            return proceed(call)
        return self._later(call, verdict, proceed=proceed)

    async def _later(self, call: Call, verdict: Awaitable[Verdict], *, proceed: Handler) -> Reply:
        self._heed(call, await verdict)
        return await proceed(call)

    def _heed(self, call: Call, verdict: Verdict) -> None:
        call.told = (*call.told, *headers(verdict.standings))
        if verdict.refused is not None:
            raise refusal(verdict.refused, verdict.wait)
        earlier: Sequence[LedgerRow] = ()
        if self._persists:
            earlier = call.earlier = []
        call.at_end = (*call.at_end, partial(self._settle, self._limiter, earlier))


def _settle(limiter: Limiter, earlier: Sequence[LedgerRow], row: LedgerRow) -> None:
    tokens, uncounted = tokens_of((*earlier, row))
    limiter.settle(row.call, Spent(tokens, uncounted))


def _settle_costs(limiter: Limiter, earlier: Sequence[LedgerRow], row: LedgerRow) -> None:
    rows = (*earlier, row)
    tokens, uncounted = tokens_of(rows)
    limiter.settle(row.call, Spent(tokens, uncounted, costs_of(rows)))
