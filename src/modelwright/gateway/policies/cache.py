"""Policy: a question that was answered before is answered again from what was kept; it judges no content."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial
from typing import Protocol

from modelwright.core.ports.cache import CacheStore
from modelwright.core.ports.clock import Clock
from modelwright.gateway.cache.alike import Alike, Meanings
from modelwright.gateway.cache.batch import Batch, read_inputs_of
from modelwright.gateway.cache.embedder import Embedder
from modelwright.gateway.cache.flight import Flight, shared
from modelwright.gateway.cache.question import OPERATIONS, STREAMED, Rule, read_question, read_rules
from modelwright.gateway.cache.saving import HEADER
from modelwright.gateway.cache.text import Text
from modelwright.gateway.cache.wishes import read_wishes
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.lanes import Table

VECTORS = 4
"""One such part of the room for answers is the room for the vectors of questions, beside it."""


class Asking(Protocol):
    """One call's question."""

    def key(self, variant: str) -> bytes:
        """The same for equal questions only."""
        ...

    async def look(self, call: Call, *, oldest: float) -> Reply | None:
        """What is kept, if it answers all and is not older than so many seconds; the row says what was found."""
        ...

    async def ask(self, call: Call, proceed: Handler) -> Reply:
        """Ask for what is not kept, and keep it if it turns out to be a complete success."""
        ...


class Cache:
    """Before the dispatch, and after everything that may refuse a call: a hit was allowed like any other answer."""

    def __init__(self, table: Table, store: CacheStore, clock: Clock, *, meanings: Meanings) -> None:
        self.embed: Embedder | None = None
        """Set once the chain stands, since it asks through that."""
        self._rules = read_rules(table)
        self._meanings = meanings
        self._store = store
        self._now = clock.now
        self._flights: dict[bytes, Flight] = {}
        store.bound(table.snapshot.cache_bytes)
        meanings.nearest.bound(table.snapshot.cache_bytes // VECTORS)

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        rule = self._rules.get(call.row.endpoint)
        if rule is None or call.operation not in OPERATIONS:
            return proceed(call)
        return self._answer(call, proceed, rule)

    async def _answer(self, call: Call, proceed: Handler, rule: Rule) -> Reply:
        wishes = read_wishes(call.headers.get(b"cache-control"))
        asking = None if wishes.no_store else self._read(call, rule)
        row = call.row
        if asking is None:
            row.cache = "bypass"
            return _marked(await proceed(call), "bypass")
        if wishes.no_cache:
            row.cache = "bypass"
            return _marked(await asking.ask(call, proceed), "bypass")
        kept = await asking.look(call, oldest=min(wishes.max_age, rule.caching.ttl))
        if kept is not None:
            return kept
        if row.stream:  # one slow reader would hold back all others
            return _marked(await asking.ask(call, proceed), row.cache)
        return await self._together(call, proceed, asking)

    async def _together(self, call: Call, proceed: Handler, asking: Asking) -> Reply:
        """Ask, or wait for an equal call that is asking."""
        key = asking.key(call.row.variant)
        while (flight := self._flights.get(key)) is not None:
            landed = await flight.join()
            if landed is not None:
                return shared(call, landed)
        flight = self._flights[key] = Flight(call, forget=partial(self._flights.pop, key, None))
        call.at_end = (*call.at_end, flight)
        return _marked(await flight.lead(call, partial(asking.ask, proceed=proceed)), call.row.cache)

    def _read(self, call: Call, rule: Rule) -> Asking | None:
        """None when it cannot be said for certain what is asked, or such answers are not kept."""
        if call.operation == "embeddings":
            inputs = read_inputs_of(call, rule)
            return None if inputs is None else Batch(inputs, self._store, now=self._now)
        question = read_question(call, rule) if call.operation in STREAMED or not call.row.stream else None
        if question is None:
            return None
        text = Text(question, self._store, now=self._now)
        semantic, last, embed = rule.caching.semantic, question.last, self.embed
        if semantic is None or last is None or embed is None:
            return text
        return Alike(text, last, rule=semantic, meanings=self._meanings, embed=embed)


def _marked(reply: Reply, mark: str) -> Reply:
    reply.headers.append((HEADER, mark.encode()))
    return reply
