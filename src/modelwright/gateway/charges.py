"""What a call may cost before it is sent, and what it has cost when it ends, written into its row; pure."""

from __future__ import annotations

from typing import Any

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.prices import charged, money, reservation
from modelwright.gateway.call import Call, HeaderPairs
from modelwright.gateway.lanes import Lane
from modelwright.gateway.prompting.filling import prompt_size

_PLAIN_TIERS = frozenset({"auto", "default", "standard", "on_demand"})


def answer_tokens(call: Call, lane: Lane) -> int | None:
    """Tokens that one answer of this lane may have at most; None when neither its client nor its variant says so."""
    head = call.head
    if head is None or call.operation == "embeddings":
        return 0
    most = lane.most_tokens(head) if lane.limits_answers else head.most_tokens
    return None if most is None else max(0, most)


def reserved(call: Call, lane: Lane) -> int:
    """Units that the call may cost at most on this lane, as far as its request tells; 0 for one without a price."""
    head, rates = call.head, lane.ceiling
    if rates is None:
        return 0
    seconds = lane.total if rates.second else 0.0
    if head is None:
        return reservation(rates, prompt_bytes=0, max_tokens=0, seconds=seconds)
    most = answer_tokens(call, lane)
    if most is None:
        most = lane.answer
    size = len(call.body) if lane.preamble is None else prompt_size(call, lane)
    return reservation(rates, prompt_bytes=size, max_tokens=most, answers=head.answers, seconds=seconds)


def reserve(call: Call, lane: Lane) -> None:
    """Write the reservation into the row, before its intent."""
    rates = lane.ceiling
    if rates is not None:
        call.row.reserved = money(reserved(call, lane))
        call.row.currency = rates.currency


def settle(call: Call, row: LedgerRow) -> None:
    """Write the cost into a row of the call's, by the lane that it has now; none when nobody can know it.

    Outcome and counts must be there. The row is the call's own, or that of an attempt that another one follows.
    """
    lane = call.lane
    price = lane.price if lane is not None else None
    if call.head is not None and call.head.service_tier is not None and not _is_plain(call.head.service_tier):
        price = None
    units = charged(row, price)
    if units is not None:
        row.cost = money(units)


def told(call: Call) -> HeaderPairs:
    """The headers of an answer whose cost is known; what failed before it is in rows of its own."""
    row = call.row
    if row.cost is None:
        return []
    cost = (b"x-modelwright-cost", row.cost.encode())
    return [cost, (b"x-modelwright-currency", row.currency.encode())] if row.currency else [cost]


def _is_plain(tier: Any) -> bool:
    """Whether a service tier is the one that prices are told for."""
    return isinstance(tier, str) and tier in _PLAIN_TIERS
