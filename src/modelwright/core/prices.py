"""What a call costs: exact arithmetic on counts and prices, in whole 1e-12 units of a currency; pure, no float."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from math import ceil

import msgspec

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.contracts.snapshot import Price, Rates

UNIT = 10**12
"""Units of one dollar, euro or yuan."""
MILLION = 10**6
"""Prices of tokens are shown per so many; a second has so many microseconds."""
PROMPT_BYTES = 3
"""Bytes of a request per token of its prompt, at least, in ordinary text of any language."""
UNANSWERED = frozenset(
    {
        "refused",
        "provider_refused",
        "provider_error",
        "provider_auth",
        "provider_rate_limited",
        "provider_unreachable",
        "provider_overloaded",
        "model_unavailable",
        "engine_failed",
    }
)
"""Outcomes of calls for which nobody sends a bill, as long as nothing of an answer had come."""
_DAY = 86_400


def charged(row: LedgerRow, price: Price | None) -> int | None:
    """Units that an ended call costs; None when that is not known, which is never taken for 0."""
    if not row.attempts:
        return 0
    if row.outcome in UNANSWERED and row.first_token_ms is None and row.input_tokens is None:
        return 0
    return None if price is None else cost(row, price)


def cost(row: LedgerRow, price: Price) -> int | None:
    """Units for what the row counts; None when a count that the price needs is unknown or contradicts another.

    Cached and written tokens are part of the input, reasoning is part of the output. Where it is not known how large a
    part is, all is charged at the whole's rate if that is the dearer one; otherwise nobody knows. A fraction of a unit
    that a machine's microseconds leave is rounded up.
    """
    if price.until is not None and row.at >= price.until:
        return None
    total = price.request
    if price.second:
        if row.machine_us is None:
            return None
        total -= -price.second * row.machine_us // MILLION
    prompt, answer = row.input_tokens, row.output_tokens
    rates = rates_at(price, prompt=prompt, at=row.at) if price.steps or price.hours else price
    cached, written, reasoning = rates.cached, rates.written, rates.reasoning
    if cached is None and written is None:
        spent = _units(prompt, rates.input)
    elif written is None:
        spent = _units(prompt, rates.input, ((row.cached_tokens, cached),))
    else:
        spent = _units(prompt, rates.input, ((row.cached_tokens, cached), (row.cache_write_tokens, written)))
    said = _units(answer, rates.output, () if reasoning is None else ((row.reasoning_tokens, reasoning),))
    return None if spent is None or said is None else spent + said + total


def rates_at(price: Price, *, prompt: int | None, at: float) -> Rates:
    """The rates for a prompt of so many tokens at a time in Unix seconds."""
    second = at % _DAY
    for hours in price.hours:
        begin, end = hours.begin, hours.end
        if begin <= second < end if begin <= end else second >= begin or second < end:
            return hours
    found: Rates = price
    for step in price.steps:
        if prompt is not None and prompt > step.above:
            found = step
    return found


class Ceiling(msgspec.Struct, frozen=True):
    """The dearest of a price's rates, in units; made once per snapshot, since reservations are made once per call."""

    currency: str
    request: int
    second: int
    input: int
    output: int


def ceiling(price: Price) -> Ceiling:
    """Of all rates that a call might get."""
    every = (price, *price.steps, *price.hours)
    return Ceiling(
        price.currency,
        price.request,
        price.second,
        max(rate or 0 for rates in every for rate in (rates.input, rates.cached, rates.written)),
        max(rate or 0 for rates in every for rate in (rates.output, rates.reasoning)),
    )


def reservation(rates: Ceiling, *, prompt_bytes: int, max_tokens: int, answers: int = 1, seconds: float = 0.0) -> int:
    """Units that a call may cost at most, before it is sent.

    `prompt_bytes` that the model is told; `max_tokens` of each of its `answers`; `seconds` that it may take.
    """
    fixed = rates.request + rates.second * ceil(seconds) if rates.second else rates.request
    return fixed - (-prompt_bytes // PROMPT_BYTES) * rates.input + max_tokens * answers * rates.output


def units(amount: Decimal | str, *, per: int = 1) -> int:
    """A decimal amount as units, divided by `per`; raises ValueError when that leaves a fraction of a unit."""
    scaled = Decimal(amount) * UNIT / per
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has too many decimals; write at most {len(str(UNIT // per)) - 1}")
    return int(scaled)


def nearest_units(amount: Decimal, *, per: int = 1) -> int:
    """Likewise, rounded to a whole unit: for lists whose own amounts are the result of a division."""
    return int((amount * UNIT / per).to_integral_value(ROUND_HALF_EVEN))


def money(amount: int) -> str:
    """Units as an exact decimal: no exponent, no zeros at its end."""
    if 0 < amount < UNIT:
        return f"0.{amount:012d}".rstrip("0")
    if amount < 0:
        return f"-{money(-amount)}"
    whole, rest = divmod(amount, UNIT)
    return f"{whole}.{rest:012d}".rstrip("0") if rest else str(whole)


def read_money(text: str) -> int:
    """The units of what `money` has written."""
    whole, _, rest = text.partition(".")
    if whole[:1] == "-":
        return -read_money(text[1:])
    return int(whole) * UNIT + int(rest.ljust(12, "0")) if rest else int(whole) * UNIT


def _units(count: int | None, rate: int | None, parts: Sequence[tuple[int | None, int | None]] = ()) -> int | None:
    """Units for `count` tokens at `rate`, `parts` of which may have a rate of their own."""
    if rate is None:
        return None if count else 0
    if not count:
        return 0 if count == 0 or not (rate or any(part_rate for _, part_rate in parts)) else None
    if not parts:
        return count * rate if count > 0 else None
    total = 0
    for part, part_rate in parts:
        if part_rate is None or part_rate == rate:
            continue
        if part is None:
            if part_rate > rate:
                return None
            continue
        if not 0 <= part <= count:
            return None
        count -= part
        total += part * part_rate
    return total + count * rate if count >= 0 else None
