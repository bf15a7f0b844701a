"""The one table from error codes to HTTP statuses, for every wire."""

from modelwright.core.errors.calls import CallError

STATUS: dict[str, int] = {
    "malformed": 400,
    "context_length_exceeded": 400,
    "guard_blocked": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "unpriced": 403,
    "unknown_endpoint": 404,
    "unknown_path": 404,
    "unknown_task": 404,
    "method_not_allowed": 405,
    "task_conflict": 409,
    "too_large": 413,
    "unprocessable": 422,
    "overloaded": 429,
    "rate_limited": 429,
    "budget_exhausted": 429,
    "provider_rate_limited": 429,
    "client_disconnect": 499,
    "engine_failed": 500,
    "internal": 500,
    "prompt_failed": 500,
    "provider_error": 502,
    "provider_auth": 502,
    "provider_unreachable": 502,
    "upstream_truncated": 502,
    "model_unavailable": 503,
    "provider_overloaded": 503,
    "guard_failed": 503,
    "draining": 503,
    "identity_unavailable": 503,
    "ledger_unavailable": 503,
    "limits_unavailable": 503,
    "tasks_unavailable": 503,
    "provider_off": 503,
    "provider_unavailable": 503,
    "provider_timeout": 504,
    "upstream_stalled": 504,
}


def status_of(error: CallError) -> int:
    """The HTTP status of an error; an unknown code is a defect of ours and answers 500."""
    return STATUS.get(error.code, 500)
