"""How clients are told of limits: the `x-ratelimit-*` headers as OpenAI's SDKs read them, and the refusal."""

from __future__ import annotations

from collections.abc import Sequence

from modelwright.core.errors.calls import BudgetExhausted, RateLimited
from modelwright.core.limits import Ask, Standing, described
from modelwright.core.prices import money
from modelwright.gateway.call import HeaderPairs

_NAMES = {
    of: tuple(f"x-ratelimit-{what}-{of}".encode() for what in ("limit", "remaining", "reset"))
    for of in ("requests", "tokens")
}
_WHOSE = {
    "tenant": "this tenant",
    "key": "this key",
    "user": "this user",
    "address": "this address",
    "endpoint": "this endpoint",
}


def headers(standings: Sequence[Standing]) -> HeaderPairs:
    """Of several limits on requests, or on tokens, those of the one that leaves the least."""
    requests = tokens = None
    for standing in standings:
        if standing.rule.of == "requests":
            if requests is None or standing.remaining < requests.remaining:
                requests = standing
        elif tokens is None or standing.remaining < tokens.remaining:
            tokens = standing
    if tokens is None:
        return [] if requests is None else _told(requests)
    return _told(tokens) if requests is None else [*_told(requests), *_told(tokens)]


def _told(standing: Standing) -> HeaderPairs:
    limit, remaining, reset = _NAMES[standing.rule.of]
    return [
        (limit, b"%d" % standing.rule.amount),
        (remaining, b"%d" % standing.remaining),
        (reset, duration(standing.reset)),
    ]


def duration(seconds: float) -> bytes:
    """As OpenAI writes it: `120ms`, `1s`, `6m0s`, `24h0m0s`."""
    if seconds < 1:
        return b"%dms" % max(0, round(seconds * 1000))
    whole = -int(-seconds // 1)
    if whole < 60:
        return b"%ds" % whole
    if whole < 3600:
        return b"%dm%ds" % divmod(whole, 60)
    hours, rest = divmod(whole, 3600)
    return b"%dh%dm%ds" % (hours, *divmod(rest, 60))


def refusal(ask: Ask, wait: float) -> RateLimited:
    """The error of a call that a limit is in the way of; `wait` is 0 when no waiting helps."""
    rule = ask.rule
    limit = f"the limit of {described(rule)} for {_WHOSE[rule.by]}"
    if rule.of == "cost":
        return _broke(ask, wait, budget=f"the budget of {described(rule)} for {_WHOSE[rule.by]}")
    if not wait:
        return RateLimited(
            f"the request may take {ask.amount} {rule.of}, more than {limit} ever allows",
            hint="send a shorter prompt or a smaller max_tokens",
        )
    return RateLimited(f"{limit} is reached", hint="send again after the time in Retry-After", retry_after=wait)


def _broke(ask: Ask, wait: float, *, budget: str) -> BudgetExhausted:
    most = f"{money(ask.amount)} {ask.rule.currency}"
    if not wait:
        return BudgetExhausted(
            f"the call may cost {most}, more than {budget} ever allows",
            hint="send a shorter prompt or a smaller max_tokens",
        )
    return BudgetExhausted(
        f"{budget} is spent, or has less left than the {most} that this call may cost",
        hint="send a smaller max_tokens, or again after the time in Retry-After",
        retry_after=wait,
    )
