"""How the admin door says no: `{"error": {"code", "message", "hint"}}` with a status; it decides no refusal."""

from __future__ import annotations

from typing import Any

import msgspec

from modelwright.core.errors.access import KeyNameTaken, KeyNotFound
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.starting import StartError
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.wire.status import status_of

_STATUS: dict[type[ModelwrightError], int] = {KeyNotFound: 404, KeyNameTaken: 409}

Head = tuple[bytes, bytes]


class Unavailable(ModelwrightError):
    """The admin door cannot answer this now; it may soon."""

    code = "unavailable"


def status_for(error: ModelwrightError) -> int:
    """The HTTP status of an error on the admin door."""
    if isinstance(error, CallError):
        return status_of(error)
    if isinstance(error, Unavailable | StartError):
        return 503
    return _STATUS.get(type(error), 400)


def envelope(code: str, message: str, *, hint: str = "") -> bytes:
    """The body of an error."""
    return msgspec.json.encode({"error": {"code": code, "message": message, "hint": hint}})


async def send_error(send: Any, error: ModelwrightError) -> None:
    """Answer an ASGI request by an error."""
    status = status_for(error)
    extra: list[Head] = []
    if status == 401:
        extra.append((b"www-authenticate", b"Bearer"))
    if status == 503:
        extra.append((b"retry-after", b"1"))
    await send_json(send, status, envelope(error.code, error.message, hint=error.hint), headers=extra)


async def send_json(send: Any, status: int, body: bytes, *, headers: list[Head] | None = None) -> None:
    """Answer an ASGI request by JSON."""
    lengths = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*lengths, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})
