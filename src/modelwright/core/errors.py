"""The one tree of errors: facts for a person and a program, never a protocol.

    ModelwrightError
    ├── ManifestError            the file is wrong; carries every Fault found
    ├── StartError               a part cannot start
    │   ├── PortInUse, MissingExtra, AlreadyRunning, NotRunning
    │   └── BadModelFile
    ├── AccessError              an access key cannot be made, found or revoked
    │   └── KeyNameTaken, KeyNotFound
    ├── PromptError              a prompt's file cannot be used
    ├── RegistryError            the registry cannot do it, or what it holds cannot be used
    │   ├── NotRegistered        no such name, version or content
    │   ├── VersionTaken         a version is there with other content
    │   └── AliasHasMoved        an alias means something else than was expected
    └── CallError                one call fails; the doors turn `code` into a status (core/wire/status.py)
        ├── Malformed            the request cannot be read
        │   └── ContextTooLong   prompt and answer do not fit the model
        ├── UnknownPath, MethodNotAllowed
        ├── Unauthenticated, Forbidden, UnknownEndpoint, TooLarge, Unprocessable
        ├── GuardBlocked         a guard does not let the question or its answer through
        ├── GuardFailed          a guard could not judge, and what it cannot judge does not pass
        ├── Overloaded           our own bound was reached; carries retry_after
        ├── RateLimited          a limit that the manifest sets for the caller; carries retry_after
        │   └── BudgetExhausted  likewise, of money
        ├── Unpriced             nobody knows what the call would cost, and a budget has to
        ├── IdentityUnavailable  who calls cannot be told now
        ├── LimitsUnavailable    limits cannot be counted now, and the manifest says to refuse then
        ├── LedgerUnavailable    the call cannot be written down, so it is not made
        ├── ProviderOff          an optional provider whose settings are missing
        ├── ProviderUnavailable  a provider that failed too often is left alone for a while
        ├── ModelUnavailable     our own engine is loading or was lost; retryable
        ├── PromptFailed         a variant's prompt cannot be filled in
        ├── EngineFailed         our own engine refused or crashed on this very input
        ├── Stopped              the client left
        ├── Draining             the process stops and can take or finish no more
        └── ProviderError        the other side failed
            ├── ProviderAuth, ProviderRateLimited, ProviderOverloaded, ProviderUnreachable, ProviderTimeout
            └── UpstreamStalled, UpstreamTruncated

Every error has a stable `code`, a `message` that names the place and the problem, and a `hint` that says what to do.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec


class ModelwrightError(Exception):
    """Base of every error that Modelwright raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "", place: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place = place

    def __str__(self) -> str:
        """One line for people: place, problem, remedy."""
        where = f"{self.place}: " if self.place else ""
        remedy = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.message}{remedy}"


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong in a file: where, what, and how to mend it."""

    path: str
    """File as the user named it."""
    line: int
    """1-based; 0 when the fault has no line (a missing file)."""
    key: str
    """Dotted path inside the file, such as `models.digits.source`."""
    problem: str
    remedy: str
    nearest: str = ""
    """The nearest known key, when the fault is an unknown one."""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        key = f" {self.key}:" if self.key else ""
        return f"{where}:{key} {self.problem}. {self.remedy}"


class ManifestError(ModelwrightError):
    """The manifest cannot be used; `faults` holds all that was found, in file order."""

    code = "manifest_invalid"

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class StartError(ModelwrightError):
    """A part cannot start."""

    code = "start_failed"


class PortInUse(StartError):
    """Somebody else listens there."""

    code = "port_in_use"


class MissingExtra(StartError):
    """A library that the manifest needs is not installed."""

    code = "missing_extra"


class AlreadyRunning(StartError):
    """The same manifest runs already."""

    code = "already_running"


class NotRunning(StartError):
    """Nothing of this manifest runs."""

    code = "not_running"


class BadModelFile(StartError):
    """A model file is missing, truncated, of another format, or not of the stated digest."""

    code = "bad_model_file"


class AccessError(ModelwrightError):
    """An access key cannot be made, found or revoked."""

    code = "access_invalid"


class KeyNameTaken(AccessError):
    """A live key of that name exists in the tenant."""

    code = "key_name_taken"


class KeyNotFound(AccessError):
    """No live key has that id or name."""

    code = "key_not_found"


class PromptError(ModelwrightError):
    """A prompt's file cannot be used; `line` is where, 0 when it is the whole."""

    code = "prompt_invalid"

    def __init__(self, message: str, *, hint: str = "", place: str = "", line: int = 0) -> None:
        super().__init__(message, hint=hint, place=place)
        self.line = line


class RegistryError(ModelwrightError):
    """The registry cannot do it, or what it holds cannot be used."""

    code = "registry_invalid"


class NotRegistered(RegistryError):
    """No such name, version, alias or content."""

    code = "not_registered"


class VersionTaken(RegistryError):
    """A version of that name is registered with other content."""

    code = "version_taken"


class AliasHasMoved(RegistryError):
    """An alias means something else than was expected."""

    code = "alias_moved"


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
