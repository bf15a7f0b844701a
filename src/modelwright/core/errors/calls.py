"""Errors of single calls; doors turn a `code` into a status (core/wire/status.py)."""

from __future__ import annotations

from modelwright.core.errors.tree import ModelwrightError


class CallError(ModelwrightError):
    """One call fails; its neighbours do not notice."""

    code = "internal"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        place: str = "",
        param: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, place=place)
        self.param = param
        self.retry_after = retry_after


class Malformed(CallError):
    """The request cannot be read: not JSON, a missing or mistyped field, a shape that does not match."""

    code = "malformed"


class ContextTooLong(Malformed):
    """Prompt and answer together pass the model's context; the code is the one that OpenAI's clients know."""

    code = "context_length_exceeded"


class UnknownPath(CallError):
    """No such path on this door."""

    code = "unknown_path"


class MethodNotAllowed(CallError):
    """The path exists, but not for this method."""

    code = "method_not_allowed"


class Unauthenticated(CallError):
    """No key, or a key that is not known, was revoked or has expired."""

    code = "unauthenticated"


class Forbidden(CallError):
    """The key is known but may not do this."""

    code = "forbidden"


class UnknownEndpoint(CallError):
    """Nothing of that name is served."""

    code = "unknown_endpoint"


class TooLarge(CallError):
    """The body passes the limit."""

    code = "too_large"


class Unprocessable(CallError):
    """The request is well formed but asks for what this endpoint cannot do."""

    code = "unprocessable"


class GuardBlocked(CallError):
    """The endpoint's guard does not let the question or its answer through; the message says what and where."""

    code = "guard_blocked"


class GuardFailed(CallError):
    """The endpoint's guard failed itself, and `guard.on_error` is `block`."""

    code = "guard_failed"


class Overloaded(CallError):
    """Our own bound was reached; nothing was started."""

    code = "overloaded"


class RateLimited(CallError):
    """The caller has used up a limit that the manifest sets (the provider's own is `provider_rate_limited`)."""

    code = "rate_limited"


class IdentityUnavailable(CallError):
    """Whether this key or token is good cannot be told now: its source is away. Those known before go on working."""

    code = "identity_unavailable"


class BudgetExhausted(RateLimited):
    """The caller has spent the money that the manifest allows, or the call may cost more than is left of it."""

    code = "budget_exhausted"


class Unpriced(CallError):
    """A budget limits the caller, and what the call would cost is not known."""

    code = "unpriced"


class LimitsUnavailable(CallError):
    """What counts the limits is away, and the manifest says to refuse calls then; nothing was started."""

    code = "limits_unavailable"


class LedgerUnavailable(CallError):
    """The ledger cannot take the call's intent; nothing was dispatched."""

    code = "ledger_unavailable"


class ProviderOff(CallError):
    """The endpoint's provider is optional and off, since its settings are missing."""

    code = "provider_off"


class ProviderUnavailable(CallError):
    """The provider failed too often and is left alone for a while; nothing was dispatched."""

    code = "provider_unavailable"


class ModelUnavailable(CallError):
    """Our own engine is loading or was lost; the same call may be sent again."""

    code = "model_unavailable"


class PromptFailed(CallError):
    """The variant's prompt cannot be filled in, though the call's variables are right."""

    code = "prompt_failed"


class EngineFailed(CallError):
    """Our own engine failed on this input alone."""

    code = "engine_failed"


class Stopped(CallError):
    """The client left."""

    code = "client_disconnect"


class Draining(CallError):
    """The process stops and can take or finish no more."""

    code = "draining"
