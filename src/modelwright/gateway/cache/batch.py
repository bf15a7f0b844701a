"""A batch of inputs to embed: only those whose vectors are not kept are asked for, and every vector has its place.

What a provider counts, it counts for a request; an input's part of it goes by its length. So the usage of an answer is
exact for a batch as it was asked, and as near as can be for one put together from several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.providers import ProviderError
from modelwright.core.ports.cache import CacheStore, Kept
from modelwright.core.wire.openai_vectors import Vectors, read_inputs, read_vectors, shares, with_inputs, write_vectors
from modelwright.gateway.cache.keys import canonical, read_fields
from modelwright.gateway.cache.question import Rule, whose
from modelwright.gateway.cache.saving import HEADER, note_saved, shared_cost
from modelwright.gateway.call import Call, Handler, Reply

_JSON = (b"content-type", b"application/json")


class Inputs(msgspec.Struct, frozen=True):
    """A call's inputs, and what else counts."""

    rule: Rule
    tenant: str
    rest: bytes
    """The canonical body without its inputs."""
    each: list[bytes]

    def keys(self, variant: str, inputs: Sequence[bytes]) -> list[bytes]:
        """Under which the vectors of a variant stand."""
        seed = self.rule.seeds[variant]
        return [seed.key(self.tenant, "embeddings", self.rest, one) for one in inputs]

    def key(self, variant: str) -> bytes:
        """Of them all, in this order."""
        return self.rule.seeds[variant].key(self.tenant, "embeddings", self.rest, *self.each, b"all")


def read_inputs_of(call: Call, rule: Rule) -> Inputs | None:
    """What this call asks; None when its body can be read in two ways, or holds no inputs."""
    fields = read_fields(call.body)
    given = fields.pop("input", None) if fields is not None else None
    each = read_inputs(bytes(given)) if given is not None else None
    if fields is None or each is None:
        return None
    return Inputs(rule, whose(call.row), canonical(fields, rule.caching.ignore), each)


class Batch:
    """One call with its inputs; told of the outcome by the meter."""

    __slots__ = ("_asked", "_at", "_found", "_inputs", "_now", "_store", "_vectors")

    def __init__(self, inputs: Inputs, store: CacheStore, *, now: Callable[[], float]) -> None:
        """`now` gives Unix seconds."""
        self._inputs = inputs
        self._store = store
        self._now = now
        self._at = 0.0
        self._found: Sequence[Kept | None] = [None] * len(inputs.each)
        self._asked = list(dict.fromkeys(inputs.each))
        self._vectors: Vectors | None = None

    def key(self, variant: str) -> bytes:
        return self._inputs.key(variant)

    async def look(self, call: Call, *, oldest: float) -> Reply | None:
        row, inputs, now = call.row, self._inputs, self._now()
        kept = await self._store.get(inputs.keys(row.variant, inputs.each))
        found = [one if one is not None and now - one.at <= oldest else None for one in kept]
        hits = [one for one in found if one is not None]
        if len(hits) == len(found):
            row.cache = "hit"
            row.input_tokens = row.output_tokens = 0
            note_saved(row, hits)
            return _whole(hits, age=now - min(one.at for one in hits))
        if not hits or not inputs.rule.mixes:
            row.cache = "miss"
            return None
        row.cache = "partial"
        self._found = found
        missing = {one for one, kept in zip(inputs.each, found, strict=True) if kept is None}
        self._asked = [one for one in self._asked if one in missing]
        return None

    async def ask(self, call: Call, proceed: Handler) -> Reply:
        """Ask for what is missing, and put the answer together."""
        asked = self._asked
        as_it_is = asked == self._inputs.each
        if not as_it_is:
            call.body = with_inputs(call.body, asked)
        self._at = self._now()
        call.at_end = (*call.at_end, self._keep)
        reply = await proceed(call)
        if reply.status != 200 or reply.chunks is not None:
            return reply
        vectors = self._vectors = read_vectors(reply.body, len(asked))
        if as_it_is:
            return reply
        if vectors is None:
            raise ProviderError(f"provider {call.row.provider} gave not one vector for each of {len(asked)} inputs")
        reply.body = self._joined(vectors)
        note_saved(call.row, [one for one in self._found if one is not None])
        return reply

    def _keep(self, row: LedgerRow) -> None:
        """The outcome: the vectors of a complete success are kept under the variant that has answered."""
        vectors, asked, inputs = self._vectors, self._asked, self._inputs
        if vectors is None or row.outcome != "ok" or row.status != 200:
            return
        counts = self._counts(vectors)
        costs = shared_cost(row.cost, [len(one) for one in asked])
        kept = [
            Kept(at=self._at, body=body, around=vectors.around, tokens=count, cost=cost, currency=row.currency)
            for body, count, cost in zip(vectors.each, counts, costs, strict=True)
        ]
        keys = inputs.keys(row.variant, asked)
        self._store.put(list(zip(keys, kept, strict=True)), ttl=inputs.rule.caching.ttl)

    def _counts(self, vectors: Vectors) -> Sequence[int | None]:
        """Tokens of each of the inputs that were asked for."""
        if vectors.tokens is None:
            return [None] * len(self._asked)
        return shares(vectors.tokens, [len(one) for one in self._asked])

    def _joined(self, vectors: Vectors) -> bytes:
        new = dict(zip(self._asked, zip(vectors.each, self._counts(vectors), strict=True), strict=True))
        pairs = [
            new[one] if kept is None else (kept.body, kept.tokens)
            for one, kept in zip(self._inputs.each, self._found, strict=True)
        ]
        known = [count for _, count in pairs if count is not None]
        return write_vectors([body for body, _ in pairs], around=vectors.around, tokens=sum(known) if known else None)


def _whole(hits: Sequence[Kept], *, age: float) -> Reply:
    tokens = [one.tokens for one in hits if one.tokens is not None]
    body = write_vectors([one.body for one in hits], around=hits[0].around, tokens=sum(tokens) if tokens else None)
    return Reply(200, headers=[_JSON, (HEADER, b"hit"), (b"age", b"%d" % max(0.0, age))], body=body)
