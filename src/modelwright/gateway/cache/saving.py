"""How a call says what the cache did for it: the header, and what it saved in the fields of its ledger row."""

from __future__ import annotations

from collections.abc import Sequence

from modelwright.core.contracts.ledger import LedgerRow, Usage
from modelwright.core.ports.cache import Kept
from modelwright.core.prices import money, read_money
from modelwright.core.wire.openai_vectors import shares

HEADER = b"x-modelwright-cache"


def note_answer(row: LedgerRow, kept: Kept) -> None:
    """Write into a call's row what a kept answer has spared it."""
    row.saved_tokens = kept.tokens
    if kept.cost is not None:
        row.saved = kept.cost
        row.currency = kept.currency


def note_saved(row: LedgerRow, kept: Sequence[Kept]) -> None:
    """Likewise what these vectors have."""
    if not kept:
        return
    tokens = [one.tokens for one in kept if one.tokens is not None]
    if tokens:
        row.saved_tokens = sum(tokens)
    costs = [one.cost for one in kept if one.cost is not None]
    currencies = {one.currency for one in kept}
    if len(costs) == len(kept) and len(currencies) == 1:
        row.saved = money(sum(map(read_money, costs)))
        row.currency = currencies.pop()


def shared_cost(cost: str | None, sizes: Sequence[int]) -> Sequence[str | None]:
    """A cost in parts after these sizes, which add up to it exactly."""
    return [None] * len(sizes) if cost is None else [money(part) for part in shares(read_money(cost), sizes)]


def usage_of(row: LedgerRow) -> Usage:
    """What the provider counted."""
    return Usage(
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        output_tokens=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens,
    )


def tokens_of(row: LedgerRow) -> int | None:
    """Input and output together; None when neither is known."""
    if row.input_tokens is None and row.output_tokens is None:
        return None
    return (row.input_tokens or 0) + (row.output_tokens or 0)
