"""Policy: no call passes a limit that the manifest sets; what it may use is reserved before, and settled at its end."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Limits
from modelwright.core.limits import Spent, Verdict, tokens_used
from modelwright.core.ports.limits import Limiter
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.limits.asks import Asker
from modelwright.gateway.limits.words import headers, refusal


class Limit:
    """All limits of a call in one step; comes after the route, since an endpoint may have limits too."""

    def __init__(self, limits: Limits, limiter: Limiter) -> None:
        self._asks = Asker(limits).asks
        self._limiter = limiter

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        verdict = self._limiter.reserve(call.row.call, self._asks(call))
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
        call.at_end = (*call.at_end, partial(_settle, self._limiter))


def _settle(limiter: Limiter, row: LedgerRow) -> None:
    limiter.settle(row.call, Spent(tokens=tokens_used(row)))
