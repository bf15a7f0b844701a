"""Asks the judges of guards: an endpoint of this gateway, or a classifier; what they say is the guard's to read."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from modelwright.core.contracts.guard import JudgeRule
from modelwright.core.contracts.ledger import JUDGED, LedgerRow
from modelwright.core.errors.calls import CallError, Overloaded
from modelwright.core.errors.providers import ProviderError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.guards import Ask
from modelwright.gateway.asides.aside import Aside
from modelwright.gateway.call import Call, Handler
from modelwright.gateway.lanes import Route

LONGEST = 65_536
"""Bytes of a judge's answer; a longer one is none."""
log = logging.getLogger("modelwright.gateway")


class Judges:
    """Of one snapshot's endpoints. Every question is a call of its own, with a row of its own."""

    def __init__(self, routes: Mapping[str, Route], *, choose: Handler, ask: Handler, clock: Clock) -> None:
        """`choose`: the chain from the route on; `ask`: that from the dispatch on; both with a meter of their own."""
        self._routes = routes
        self._endpoints = Aside(choose, clock)
        self._classifiers = Aside(ask, clock)
        self._monotonic = clock.monotonic
        self._busy: dict[tuple[str, str], int] = {}

    def of(self, row: LedgerRow) -> Ask:
        """For the call of this row."""
        return _Asking(self, row)

    async def ask(self, row: LedgerRow, body: bytes, *, side: str, number: int) -> tuple[bytes, float]:
        """See Ask; `number` tells the questions of one call apart."""
        rule = _rule(self._routes[row.endpoint], side)
        place = (row.endpoint, side)
        if self._busy.get(place, 0) >= rule.concurrency:
            raise Overloaded(f"the judge of endpoint {row.endpoint} is asked {rule.concurrency} times already")
        began = self._monotonic()
        self._busy[place] = self._busy.get(place, 0) + 1
        try:
            said = await self._said(row, rule, body, side=side, number=number)
        except CallError as error:
            log.warning("the judge of endpoint %s gave no answer: %s", row.endpoint, error.message)
            raise
        finally:
            self._busy[place] -= 1
        return said, 1000 * (self._monotonic() - began)

    async def _said(self, row: LedgerRow, rule: JudgeRule, body: bytes, *, side: str, number: int) -> bytes:
        name = f"{row.call}.{JUDGED}-{number}"
        if rule.endpoint:
            asides, aside = self._endpoints, self._endpoints.call(name, body, operation="chat", endpoint=rule.endpoint)
        else:
            asides, lane = self._classifiers, self._routes[row.endpoint].classifiers[side]
            aside = asides.call(name, body, operation="moderations", endpoint=row.endpoint, lane=lane)
        return await _answer(asides, row, aside, patience=rule.timeout)


class _Asking:
    """Of one call."""

    __slots__ = ("_judges", "_number", "_row")

    def __init__(self, judges: Judges, row: LedgerRow) -> None:
        self._judges = judges
        self._row = row
        self._number = 0

    async def __call__(self, side: str, body: bytes) -> tuple[bytes, float]:
        self._number += 1
        return await self._judges.ask(self._row, body, side=side, number=self._number)


async def _answer(asides: Aside, row: LedgerRow, aside: Call, *, patience: float) -> bytes:
    aside.most = LONGEST
    reply = await asides.ask(row, aside, patience=patience)
    if reply.status != 200 or reply.chunks is not None:
        raise ProviderError(f"a judge answered {reply.status}")
    return reply.body


def _rule(route: Route, side: str) -> JudgeRule:
    guard = route.endpoint.guard
    rule = None if guard is None else (guard.input if side == "input" else guard.output).judge
    if rule is None:
        raise RuntimeError(f"endpoint {route.endpoint.name} has no judge of its {side}")
    return rule
