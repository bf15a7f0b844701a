"""Contract: one row of the ledger, version 1; what a call was, what it cost and how it ended.

A row is written twice: as an intent before the call is dispatched and as the outcome after it. Both lines carry the
same `call`; the outcome replaces the intent. An intent whose writer died is `unresolved`.

Every upstream request has one row. The call's own row describes the last one; each that failed before it has a row of
its own, which names the call in `attempt_of` and is no call itself: it has no intent, since the call's stands for it.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

LEDGER_VERSION = 1

OUTCOMES = (
    "intent",  # dispatched, not yet ended
    "ok",
    "refused",  # answered by us without asking anybody (unknown endpoint, malformed, overloaded)
    "guard_blocked",  # a guard stopped the request, or the answer to it
    "client_disconnect",
    "provider_refused",  # the provider refused the request itself (400, 404, 413, 422); passed on as it is
    "provider_error",
    "provider_auth",
    "provider_rate_limited",
    "provider_unreachable",
    "provider_overloaded",
    "provider_timeout",
    "upstream_stalled",
    "upstream_truncated",
    "model_unavailable",
    "engine_failed",
    "failed",  # any other error of ours
    "unresolved",  # the worker died before the outcome
)


VECTOR, COMPARED, JUDGED = "vector", "compared", "judged"
"""Calls that the gateway itself makes for a call, to know what it means, what its answer says, and what a judge thinks
of them, have the call's id with one of these after a dot. Each is a call with a cost, but no caller's limit holds it.
"""

_ERRORS = frozenset(OUTCOMES) - {"intent", "unresolved"}
_FAILED = frozenset({"internal", "draining", "guard_failed", "prompt_failed"})


def outcome_of(code: str) -> str:
    """The outcome of a call that ended by an error of this code."""
    if code in _ERRORS:
        return code
    return "failed" if code in _FAILED else "refused"


class LedgerRow(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One call. Times are Unix seconds, durations milliseconds; a count is None when it is not known."""

    v: int = LEDGER_VERSION
    """Version of this contract; left out of a line while it is 1."""
    call: str
    """UUIDv7; the ledger's own key, so that a repeated request id cannot make a call free. Of an attempt the call's
    with its number, such as `….1`."""
    request_id: str = ""
    """The client's `x-request-id`, or the call id."""
    at: float
    """Unix seconds at which the request arrived."""
    operation: str
    """chat, completions, embeddings, messages, responses or infer; moderations, of a guard's classifier."""
    endpoint: str
    """The name that the client called, at most 128 characters of it."""
    tenant: str = ""
    """Whose call it is."""
    key: str = ""
    """Public id of the API key; of a token the issuer's name and a digest of its user."""
    user: str = ""
    """Who the token says it is, otherwise the body's `user` field; at most 128 characters."""
    variant: str = ""
    """Which way of answering the endpoint was chosen."""
    provider: str = ""
    """Name in the manifest; `serving:<model>` for our own workers."""
    model: str = ""
    """The provider's own name of what answered."""
    release: str = ""
    """Digest of what ran."""
    stream: bool = False
    """Whether a stream was asked for."""
    outcome: str = "intent"
    """How it ended; one of OUTCOMES."""
    status: int = 0
    """HTTP status that the client got; of an attempt, the one that it would have been."""
    error: str = ""
    """Code of the error (core/errors/), empty when ok."""
    input_tokens: int | None = None
    """Of the prompt, cached ones included."""
    cached_tokens: int | None = None
    """Of the prompt, those that the provider had in its cache."""
    cache_write_tokens: int | None = None
    """Of the prompt, those that the provider wrote into its cache."""
    output_tokens: int | None = None
    """Of the answer, reasoning included."""
    reasoning_tokens: int | None = None
    """Of the answer, those that the client does not see."""
    machine_us: int | None = None
    """Microseconds of our own engine's time: of each of its runs, the call's share."""
    cost: str | None = None
    """Exact decimal; None means unpriced: never taken for 0."""
    currency: str = ""
    """ISO 4217, of cost and reservation."""
    reserved: str = ""
    """Exact decimal that an unresolved row is charged at."""
    latency_ms: float = 0.0
    """From the request to the last byte of its answer."""
    first_token_ms: float | None = None
    """From the request to the first content of a stream."""
    bytes_in: int = 0
    """Of the request's body."""
    bytes_out: int = 0
    """Of the answer's body."""
    chunks: int = 0
    """Stream events passed on."""
    attempts: int = 0
    """Upstream requests made for this call."""
    cache: str = ""
    """hit | semantic (of a similar question) | partial | miss | checked (a miss, to compare) | bypass | shared (by an
    equal call under way); empty: this endpoint keeps no answers."""
    saved: str | None = None
    """What the answer had cost those who asked for it, an exact decimal: saved by a hit. None: unpriced, or no hit."""
    saved_tokens: int | None = None
    """Input and output tokens that the provider had counted for it."""
    tags: dict[str, str] = {}
    """What the client's `x-modelwright-tags` said."""
    attempt_of: str = ""
    """The call that this row is an earlier, failed attempt of; its tokens and cost count, it is no call itself."""
    guards: dict[str, str] = {}
    """What the endpoint's guard found and did, such as `input.card` → `mask:2`; never a text."""
    shadow_of: str = ""
    """The call that this one shadows: its answer reached nobody. Empty for every call that somebody made."""
    prompt: str = ""
    """`name@version` of the prompt that was put before the client's messages."""
    prompt_digest: str = ""
    """`sha256:…` of that version's file."""


Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
"""Of tokens or microseconds, as somebody else tells it: another number is none that a ledger could add up."""


class Usage(msgspec.Struct, kw_only=True, frozen=True):
    """Counts as a provider reports them, with the row's meanings; None is unknown, never zero."""

    input_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    """None also where they are of several prices, such as of several lifetimes."""
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    machine_us: int | None = None
    """Only our own workers say it."""
