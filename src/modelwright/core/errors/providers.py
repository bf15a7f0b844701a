"""Errors of calls that the other side failed; our own refusals are in `calls`."""

from __future__ import annotations

from modelwright.core.errors.calls import CallError


class ProviderError(CallError):
    """The provider failed (5xx or an answer that cannot be read)."""

    code = "provider_error"


class ProviderAuth(ProviderError):
    """The provider refuses our key."""

    code = "provider_auth"


class ProviderRateLimited(ProviderError):
    """The provider answers 429 (its limit, not ours)."""

    code = "provider_rate_limited"


class ProviderOverloaded(ProviderError):
    """The provider has too much to do for anybody's call (Anthropic's 529)."""

    code = "provider_overloaded"


class ProviderUnreachable(ProviderError):
    """No connection, or it broke before any answer."""

    code = "provider_unreachable"


class ProviderTimeout(ProviderError):
    """No answer within connect, first-token or total time."""

    code = "provider_timeout"


class UpstreamStalled(ProviderError):
    """A stream stopped sending for longer than the idle time."""

    code = "upstream_stalled"


class UpstreamTruncated(ProviderError):
    """A stream or body ended before its end."""

    code = "upstream_truncated"
