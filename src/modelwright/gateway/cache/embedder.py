"""Asks an embeddings endpoint of this gateway for vectors: a call of its own, with its own ledger row."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import msgspec

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.calls import CallError
from modelwright.core.ports.clock import Clock
from modelwright.core.wire.openai_vectors import read_vectors
from modelwright.gateway.asides.aside import Aside
from modelwright.gateway.cache.nearest import unit
from modelwright.gateway.call import Handler

PATIENCE = 5.0
"""Seconds; a call that has waited so long for its vector goes on without one."""


class Embedded(msgspec.Struct, frozen=True):
    """Unit vectors, and whose they are: those of two models cannot be compared."""

    vectors: list[array[float]]
    by: str
    """The variant that has answered."""


class _Row(msgspec.Struct):
    embedding: list[float]


class Embedder:
    """For the caller's tenant and key, whatever endpoints that key may call: the operator has chosen this one."""

    def __init__(self, handler: Handler, clock: Clock) -> None:
        """`handler`: the chain from the route on, with a meter of its own."""
        self._asides = Aside(handler, clock)

    async def __call__(self, caller: LedgerRow, texts: Sequence[str], *, endpoint: str, mark: str) -> Embedded | None:
        """None when there are none in time; `mark` tells the caller's vector calls apart."""
        body = msgspec.json.encode({"model": endpoint, "input": texts})
        aside = self._asides.call(f"{caller.call}.{mark}", body, operation="embeddings", endpoint=endpoint)
        try:
            reply = await self._asides.ask(caller, aside, patience=PATIENCE)
        except CallError:
            return None
        if reply.status != 200:
            return None
        return _read(reply.body, len(texts), by=aside.row.variant)


def _read(body: bytes, count: int, *, by: str) -> Embedded | None:
    answer = read_vectors(body, count)
    if answer is None:
        return None
    try:
        found = [unit(msgspec.json.decode(row, type=_Row).embedding) for row in answer.each]
    except msgspec.DecodeError:
        return None
    vectors = [vector for vector in found if vector is not None]
    return Embedded(vectors, by) if len(vectors) == count else None
