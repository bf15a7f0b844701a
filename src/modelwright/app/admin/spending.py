"""What was used of the present hour, day and month, by the ledger: told to gateway workers that know nothing yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import FastAPI, Response

from modelwright.adapters.stores.sql_spending import SqlSpending
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.limits import Rule, Sliding, Used, zone_of
from modelwright.core.ports.clock import Clock


class Spending:
    """Of the present windows."""

    def __init__(
        self,
        ledger: SqlSpending,
        *,
        base: Callable[[], Snapshot],
        take_in: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        """`take_in` brings into the ledger what workers have written so far."""
        self._ledger = ledger
        self._base = base
        self._take_in = take_in
        self._now = clock.now

    async def used(self) -> list[Used]:
        """Of each limit and subject. Raises SQLAlchemyError, StartError."""
        await self._take_in()
        limits = self._base().limits
        zone = zone_of(limits.time_zone)
        found: list[Used] = []
        rules = [Rule(limit, zone) for limit in limits.each]
        for rule in {rule.name: rule for rule in rules}.values():  # all subjects have one balance for each
            if not rule.lasts:
                continue
            window = rule.window
            _, oldest = window.at(self._now())
            width = window.width if isinstance(window, Sliding) else 0
            begins = oldest * width if width else oldest
            rows = await self._ledger.since(begins, by=rule.by, of=rule.of, currency=rule.currency, width=width)
            for subject, slot, amount in rows:
                at = slot if width else oldest
                found.append(Used(rule.name, subject, at, amount, window.leaves(at)))
        return found


def add_spending(api: FastAPI, spending: Spending) -> None:
    """The route."""

    @api.get("/spending")
    async def used() -> Response:
        """What was used of the limits of the present hour, day and month."""
        return Response(msgspec.json.encode(await spending.used()), media_type="application/json")
