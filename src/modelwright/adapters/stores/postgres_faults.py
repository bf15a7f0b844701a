"""What can go wrong with PostgreSQL, in words with a remedy; whatever it says itself, it is never told a password."""

from __future__ import annotations

import ssl

import asyncpg

from modelwright.adapters.stores.postgres_address import PLACE, Address
from modelwright.core.errors.starting import StartError


class DatabaseAway(StartError):
    """The database cannot be used now."""

    code = "unavailable"
    passing = True
    """It may be another matter in a moment, without anybody mending anything."""


class _Refused(DatabaseAway):
    passing = False


_LOST = ("08", "25", "28", "3D", "3F", "40", "42501", "53", "55", "57", "58", "XX")
"""SQLSTATE, or its class: what is the database's trouble, not that of a row or of a statement."""
_MEND = {
    "28": "see user and password in the address, and the server's pg_hba.conf",
    "3D": "make it: CREATE DATABASE name OWNER user ENCODING 'UTF8'",
    "25": "it may be a standby: name the primary, or several hosts with target_session_attrs=read-write",
    "42501": "let the user make a schema (GRANT CREATE ON DATABASE … TO …), or make it his: CREATE SCHEMA modelwright "
    "AUTHORIZATION …",
    "3F": "see the search_path in the address",
    "53100": "make room on the server's disk",
    "53300": "let the server take more (max_connections), or others take fewer",
    "53": "see what the server has run out of",
    "55": "somebody holds what is wanted: see pg_locks on the server",
    "57014": "see what the server is busy with",
    "57P03": "it is starting or stopping",
}


def is_lost(error: BaseException) -> bool:
    """Whether it is the database's trouble; otherwise a statement's or a row's, or a mistake of ours."""
    cause = _native(error)
    if isinstance(cause, OSError | asyncpg.InternalClientError):
        return True
    if isinstance(cause, asyncpg.InterfaceError):
        return not isinstance(cause, ValueError)  # that is a value that cannot be sent
    return isinstance(cause, asyncpg.PostgresError) and _code(cause).startswith(_LOST)


def refusal(error: BaseException, address: Address) -> DatabaseAway:
    """What to say of it."""
    cause = _native(error)
    code = _code(cause)
    if isinstance(cause, TimeoutError):
        hint = "see whether it is busy or stopped, and whether a firewall is in between"
        return DatabaseAway(f"PostgreSQL at {address} does not answer in time", hint=hint, place=PLACE)
    if isinstance(cause, ssl.SSLError):
        reason = getattr(cause, "verify_message", "") or cause.reason or "the handshake failed"
        hint = "see sslmode and sslrootcert in the address, and the server's certificate"
        return _Refused(f"PostgreSQL at {address} cannot be trusted: {reason}", hint=hint, place=PLACE)
    if isinstance(cause, ConnectionError) and "SSL" in str(cause):
        hint = "let the server offer TLS, or write another sslmode"
        return _Refused(f"PostgreSQL at {address} offers no TLS", hint=hint, place=PLACE)
    if isinstance(cause, asyncpg.TargetServerAttributeNotMatched):
        hint = "see whether one of the hosts is the primary"
        return DatabaseAway(f"no host of {address} is {address.attributes}", hint=hint, place=PLACE)
    if isinstance(cause, OSError):
        reason = _reason(cause)
        hint = "see that it runs, and host and port in the address"
        return DatabaseAway(f"PostgreSQL at {address} cannot be reached: {reason}", hint=hint, place=PLACE)
    if not code or code.startswith("08"):
        hint = "ask again in a moment, and look first whether it was done"
        return DatabaseAway(f"the connection to PostgreSQL at {address} was lost", hint=hint, place=PLACE)
    return away(code, str(cause).splitlines()[0], address)


def away(code: str, said: str, address: Address) -> DatabaseAway:
    """By SQLSTATE."""
    hint = _MEND.get(code) or _MEND.get(code[:2]) or "see the server's log"
    kind = _Refused if code.startswith(("28", "3D", "3F", "42", "25")) else DatabaseAway
    return kind(f"PostgreSQL at {address} refuses: {said}", hint=hint, place=PLACE)


def _code(error: BaseException) -> str:
    """SQLSTATE; empty where the server did not say any."""
    return str(getattr(error, "sqlstate", None) or "")


def _reason(error: OSError) -> str:
    if error.strerror:
        return error.strerror
    return "none of its addresses answers" if error.args else type(error).__name__


def _native(error: BaseException) -> BaseException:
    """The driver's own error behind those that were made of it."""
    own = OSError | asyncpg.PostgresError | asyncpg.InterfaceError | asyncpg.InternalClientError
    return error if isinstance(error, own) or error.__cause__ is None else _native(error.__cause__)
