"""How a call says what the cache did for it: the header, and what it saved in the fields of its ledger row."""

from __future__ import annotations

from modelwright.core.contracts.ledger import LedgerRow, Usage

HEADER = b"x-modelwright-cache"


def note_saved(row: LedgerRow, *, tokens: int | None, cost: str | None, currency: str) -> None:
    """Write into the row of a call that asked nobody what it would have used."""
    row.input_tokens = row.output_tokens = 0
    row.saved_tokens = tokens
    row.saved = cost
    row.currency = currency


def usage_of(row: LedgerRow) -> Usage:
    """What the provider counted."""
    return Usage(
        input_tokens=row.input_tokens,
        cached_tokens=row.cached_tokens,
        output_tokens=row.output_tokens,
        reasoning_tokens=row.reasoning_tokens,
    )


def tokens_of(row: LedgerRow) -> int | None:
    """Input and output together; None when neither is known."""
    if row.input_tokens is None and row.output_tokens is None:
        return None
    return (row.input_tokens or 0) + (row.output_tokens or 0)
