"""Whether a failed request is sent again, where, and how long to wait before: rules without a clock or a die."""

from __future__ import annotations

from typing import Literal, TypeAlias

from modelwright.core.contracts.snapshot import Retries
from modelwright.core.errors.calls import (
    CallError,
    EngineFailed,
    ModelUnavailable,
    Overloaded,
    ProviderOff,
    ProviderUnavailable,
)
from modelwright.core.errors.providers import (
    ProviderAuth,
    ProviderError,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnreachable,
    UpstreamStalled,
    UpstreamTruncated,
)

Verdict: TypeAlias = Literal["again", "elsewhere", "never"]
"""again: the same request may succeed at the same place; elsewhere: only another variant may; never: no one may."""

BUDGET_SHARE = 0.2
"""Retries that each request to a provider pays for: more than a fifth on top would only make an outage worse."""
BUDGET_RESERVE = 10.0
"""Retries that are saved up in quiet times, so that a provider asked rarely can be asked again."""

_PASSING = (
    ModelUnavailable,
    Overloaded,
    ProviderRateLimited,
    ProviderTimeout,
    ProviderUnreachable,
    UpstreamStalled,
    UpstreamTruncated,
)
_LASTING = (EngineFailed, ProviderAuth, ProviderOff, ProviderUnavailable)


def verdict(error: CallError, status: int = 0) -> Verdict:
    """What to do about an error; `status` is what the upstream answered, 0 when it did not.

    An answer that cannot be read counts as passing, a redirect or an unknown status below 500 as lasting. What the
    provider says of the request itself (400, 404, 413, 422) never comes here: it is an answer.
    """
    if isinstance(error, _PASSING):
        return "again"
    if isinstance(error, _LASTING):
        return "elsewhere"
    if isinstance(error, ProviderError):
        return "again" if status in {0, 200, 409} or (status >= 500 and status != 501) else "elsewhere"
    return "never"


def verdict_of_status(status: int) -> Verdict:
    """The same for an answer of our own worker that passes as it is."""
    if status in {429, 503}:
        return "again"
    return "elsewhere" if status >= 500 else "never"


def speaks_against(error: CallError, status: int = 0) -> bool:
    """Whether an error says that the provider is ill; a limit, a refused key or a refused request do not."""
    limited = isinstance(error, ProviderRateLimited)
    return isinstance(error, ProviderError) and not limited and verdict(error, status) == "again"


def pause(rule: Retries, number: int, *, chance: float, retry_after: float | None = None) -> float:
    """Seconds to wait before retry `number` (from 0): full jitter over an exponential bound.

    `chance` is drawn evenly from [0, 1). What the upstream asks to wait for comes on top, so that those who were
    refused together do not come back together. AWS Architecture Blog, "Exponential Backoff And Jitter".
    """
    bound = min(rule.longest, rule.backoff * 2.0 ** min(number, 60))
    return chance * bound + (retry_after or 0.0)


class RetryBudget:
    """Bounds the retries of one provider to a share of its requests: a token bucket that requests fill."""

    __slots__ = ("_saved",)

    def __init__(self) -> None:
        self._saved = BUDGET_RESERVE

    def earn(self) -> None:
        """A request goes out that is no retry."""
        if self._saved < BUDGET_RESERVE:
            self._saved = min(BUDGET_RESERVE, self._saved + BUDGET_SHARE)

    def spend(self) -> bool:
        """Whether one retry is paid for; if so it is taken."""
        if self._saved < 1.0 - 1e-9:
            return False
        self._saved -= 1.0
        return True
