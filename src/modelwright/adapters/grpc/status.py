"""Which gRPC status stands for which HTTP status; one table, and nothing is decided here."""

from __future__ import annotations

from grpc import StatusCode

from modelwright.core.errors.calls import CallError
from modelwright.core.wire.status import status_of

_BY_HTTP = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    402: StatusCode.RESOURCE_EXHAUSTED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    405: StatusCode.UNIMPLEMENTED,
    408: StatusCode.DEADLINE_EXCEEDED,
    409: StatusCode.ABORTED,
    413: StatusCode.RESOURCE_EXHAUSTED,
    415: StatusCode.INVALID_ARGUMENT,
    422: StatusCode.INVALID_ARGUMENT,
    429: StatusCode.RESOURCE_EXHAUSTED,
    499: StatusCode.CANCELLED,
    500: StatusCode.INTERNAL,
    501: StatusCode.UNIMPLEMENTED,
    502: StatusCode.UNAVAILABLE,
    503: StatusCode.UNAVAILABLE,
    504: StatusCode.DEADLINE_EXCEEDED,
}


def code_of(status: int) -> StatusCode:
    """UNKNOWN for a status that nobody gives."""
    return _BY_HTTP.get(status, StatusCode.UNKNOWN)


def code_of_error(error: CallError) -> StatusCode:
    """Of one of our own errors."""
    return code_of(status_of(error))
