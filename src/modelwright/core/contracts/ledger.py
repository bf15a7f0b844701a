"""Contract: one row of the ledger, version 1; what a call was, what it cost and how it ended.

A row is written twice: as an intent before the call is dispatched and as the outcome after it. Both lines carry the
same `call`; the outcome replaces the intent. An intent whose writer died is `unresolved`.
"""

from __future__ import annotations

import msgspec

LEDGER_VERSION = 1

OUTCOMES = (
    "intent",  # dispatched, not yet ended
    "ok",
    "refused",  # answered by us without asking anybody (unknown endpoint, malformed, overloaded)
    "client_disconnect",
    "provider_refused",  # the provider refused the request itself (400, 404, 413, 422); passed on as it is
    "provider_error",
    "provider_auth",
    "provider_rate_limited",
    "provider_unreachable",
    "provider_timeout",
    "upstream_stalled",
    "upstream_truncated",
    "model_unavailable",
    "engine_failed",
    "failed",  # any other error of ours
    "unresolved",  # the worker died before the outcome
)


class LedgerRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One call. Times are Unix seconds, durations milliseconds; a count is None when it is not known."""

    v: int = LEDGER_VERSION
    call: str
    """UUIDv7; the ledger's own key, so that a repeated request id cannot make a call free."""
    request_id: str = ""
    """The client's `x-request-id`, or the call id."""
    at: float
    operation: str
    """chat | completions | embeddings | infer."""
    endpoint: str
    tenant: str = ""
    key: str = ""
    """Public id of the API key."""
    user: str = ""
    variant: str = ""
    provider: str = ""
    model: str = ""
    """The provider's own name of what answered."""
    release: str = ""
    stream: bool = False
    outcome: str = "intent"
    status: int = 0
    error: str = ""
    """Code of the error (core/errors.py), empty when ok."""
    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: str | None = None
    """Exact decimal; None means unpriced."""
    currency: str = ""
    reserved: str = ""
    """Exact decimal that an unresolved row is charged at."""
    latency_ms: float = 0.0
    first_token_ms: float | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    chunks: int = 0
    attempts: int = 0
    """Upstream requests made for this call."""
    tags: dict[str, str] = {}


class Usage(msgspec.Struct, kw_only=True, frozen=True):
    """Token counts as a provider reports them; None is unknown, never zero."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
