"""Policy: a question that was answered before is answered again from what was kept; it judges no content."""

from __future__ import annotations

from collections.abc import Awaitable

from modelwright.core.ports.cache import CacheStore, Kept
from modelwright.core.ports.clock import Clock
from modelwright.gateway.cache.question import OPERATIONS, Question, Rule, read_question, read_rules
from modelwright.gateway.cache.record import HEADER, Record, note_saved, replayed
from modelwright.gateway.cache.wishes import Wishes, read_wishes
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.lanes import Table


class Cache:
    """Before the dispatch, and after everything that may refuse a call: a hit was allowed like any other answer."""

    def __init__(self, table: Table, store: CacheStore, clock: Clock) -> None:
        self._rules = read_rules(table)
        self._store = store
        self._now = clock.now
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
        if not wishes.no_cache:
            found = await self._find(question, row.variant, wishes)
            if found is not None:
                kept, age = found
                row.cache = "hit"
                note_saved(row, tokens=kept.tokens, cost=kept.cost, currency=kept.currency)
                return replayed(call, kept, age=age)
        row.cache = "bypass" if wishes.no_cache else "miss"
        record = Record(question, self._store, at=self._now())
        call.at_end = (*call.at_end, record)
        reply = await proceed(call)
        record.take(call, reply)
        return _marked(reply, row.cache.encode())

    async def _find(self, question: Question, variant: str, wishes: Wishes) -> tuple[Kept, float] | None:
        """What is kept, with its age, if the client takes one as old as that."""
        (kept,) = await self._store.get((question.key(variant),))
        if kept is None:
            return None
        age = self._now() - kept.at
        return (kept, age) if age <= min(wishes.max_age, question.rule.caching.ttl) else None


def _marked(reply: Reply, mark: bytes) -> Reply:
    reply.headers.append((HEADER, mark))
    return reply
