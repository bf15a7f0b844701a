"""Policy: a question that was answered before is answered again from what was kept; it judges no content."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

from modelwright.core.ports.cache import CacheStore
from modelwright.core.ports.clock import Clock
from modelwright.gateway.cache.flight import Flight, shared
from modelwright.gateway.cache.question import OPERATIONS, Question, Rule, read_question, read_rules
from modelwright.gateway.cache.record import Record, replayed
from modelwright.gateway.cache.saving import HEADER, note_saved
from modelwright.gateway.cache.wishes import read_wishes
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.lanes import Table


class Cache:
    """Before the dispatch, and after everything that may refuse a call: a hit was allowed like any other answer."""

    def __init__(self, table: Table, store: CacheStore, clock: Clock) -> None:
        self._rules = read_rules(table)
        self._store = store
        self._now = clock.now
        self._flights: dict[bytes, Flight] = {}
        store.bound(table.snapshot.cache_bytes)

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        rule = self._rules.get(call.row.endpoint)
        if rule is None or call.operation not in OPERATIONS:
            return proceed(call)
        return self._answer(call, proceed, rule)

    async def _answer(self, call: Call, proceed: Handler, rule: Rule) -> Reply:
        wishes = read_wishes(call.headers.get(b"cache-control"))
        question = None if wishes.no_store else read_question(call, rule)
        row = call.row
        if question is None:
            row.cache = "bypass"
            return _marked(await proceed(call), b"bypass")
        if wishes.no_cache:
            row.cache = "bypass"
            return _marked(await self._ask(call, proceed, question), b"bypass")
        key = question.key(row.variant)
        found = await self._kept(call, key, oldest=min(wishes.max_age, rule.caching.ttl))
        if found is not None:
            return found
        row.cache = "miss"
        if row.stream:  # one slow reader would hold back all others
            return _marked(await self._ask(call, proceed, question), b"miss")
        while (flight := self._flights.get(key)) is not None:
            landed = await flight.join()
            if landed is not None:
                return shared(call, landed)
        flight = self._flights[key] = Flight(call, forget=lambda: self._flights.pop(key, None))
        call.at_end = (*call.at_end, flight)
        return _marked(await self._ask(call, partial(flight.lead, proceed=proceed), question), b"miss")

    async def _kept(self, call: Call, key: bytes, *, oldest: float) -> Reply | None:
        """The answer that is kept, if it is not older than so many seconds."""
        (kept,) = await self._store.get((key,))
        if kept is None:
            return None
        age = self._now() - kept.at
        if age > oldest:
            return None
        row = call.row
        row.cache = "hit"
        note_saved(row, tokens=kept.tokens, cost=kept.cost, currency=kept.currency)
        return replayed(call, kept, age=age)

    async def _ask(self, call: Call, proceed: Handler, question: Question) -> Reply:
        """Ask, and keep what comes if it is a complete success."""
        record = Record(question, self._store, at=self._now())
        call.at_end = (*call.at_end, record)
        reply = await proceed(call)
        record.take(call, reply)
        return reply


def _marked(reply: Reply, mark: bytes) -> Reply:
    reply.headers.append((HEADER, mark))
    return reply
