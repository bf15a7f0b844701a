"""Which failures of a statement one of its rows has caused; anything else is the database's own trouble."""

from __future__ import annotations

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

ROW_FAULTS = (DBAPIError, OverflowError, UnicodeError)
"""To be caught; `is_row_fault` tells."""
_CLASSES = ("21", "22", "23", "54")
"""Of SQLSTATE: a row twice, a value that a column cannot hold, that a constraint forbids, that no index can take."""


def is_row_fault(error: BaseException) -> bool:
    """Whether the same statement would succeed without a row of it."""
    if not isinstance(error, DBAPIError):
        return True
    if isinstance(error, DataError | IntegrityError):
        return True
    code = getattr(error.orig, "sqlstate", None)
    if isinstance(code, str):
        return code.startswith(_CLASSES)
    # asyncpg refuses to send some values, such as a number past 64 bits.
    return isinstance(getattr(error.orig, "__cause__", None), ValueError)
