"""Which variant is asked when not the weights decide: the quickest, the least busy or the cheapest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.gateway.call import Call
from modelwright.gateway.charges import reserved
from modelwright.gateway.lanes import Lane, Route

_NOT_ITS_FAULT = frozenset(
    {"refused", "guard_blocked", "client_disconnect", "provider_refused", "engine_failed", "failed"}
)


def choose(call: Call, route: Route, *, now: float, chance: float) -> Lane:
    """The lane of a call; the call is counted as its load until it ends. `chance` is drawn evenly from [0, 1)."""
    weighed = [lane for lane, weight in zip(route.lanes, route.weights, strict=True) if weight > 0]
    lanes = [lane for lane in weighed if lane.admits(now)] or weighed
    if route.endpoint.choose == "price":
        return min(lanes, key=partial(_price, call))
    if route.endpoint.choose == "in_flight":
        lane = _least_busy(lanes, chance)
    else:
        lane = min(_two(lanes, chance), key=lambda lane: lane.load.expected(stream=call.row.stream, now=now))
    lane.load.in_flight += 1
    call.at_end = (*call.at_end, partial(_ended, lane, now))
    return lane


def _ended(lane: Lane, began: float, row: LedgerRow) -> None:
    """What the call's end says of the lane that it was meant for; one that failed counts as very slow."""
    lane.load.in_flight -= 1
    if not row.attempts or row.outcome in _NOT_ITS_FAULT:
        return
    if row.outcome != "ok" or row.variant != lane.variant or row.attempts > 1:
        seconds = lane.deadlines.first_byte
    else:
        seconds = (row.first_token_ms if row.first_token_ms is not None else row.latency_ms) / 1000
    lane.load.observe(seconds, stream=row.stream, now=began + row.latency_ms / 1000)


def _two(lanes: Sequence[Lane], chance: float) -> Sequence[Lane]:
    """Two by chance: the better of two spreads calls nearly as well as the best of all, and without a stampede.

    M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 1996.
    """
    count = len(lanes)
    if count <= 2:
        return lanes
    first, second = divmod(int(chance * count * (count - 1)), count - 1)
    return lanes[first], lanes[second + (second >= first)]


def _least_busy(lanes: Sequence[Lane], chance: float) -> Lane:
    least = min(lane.load.in_flight for lane in lanes)
    idle = [lane for lane in lanes if lane.load.in_flight == least]
    return idle[int(chance * len(idle))]


def _price(call: Call, lane: Lane) -> float:
    """What the call may cost there at most; a variant without a price comes last."""
    return math.inf if lane.ceiling is None else reserved(call, lane)
