"""Turns an answer and the effects on it into steps (write, wait, end as the script says); it performs none of them."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator

from modelwright.app.dev_provider import messages
from modelwright.app.dev_provider.answers import TOLD_TO_FAIL, Telling, error_body
from modelwright.app.dev_provider.faults import Effects
from modelwright.app.dev_provider.journal import Entry


class End(enum.Enum):
    """How an answer ends when it does not simply end."""

    CUT = "close the connection"
    HANG = "keep the connection open and send nothing more"


class Pause(enum.Enum):
    """Where an answer waits without an end of its own."""

    HOLD = "go on when the faults are set anew"


Step = bytes | float | End | Pause
"""Bytes are written, a float is waited (from the moment the step before was due), an End ends, a Pause is held."""

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
_JSON = b"content-type: application/json\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
GARBAGE = b"\x15\x03\x01\x00\x02\x02\x50 this is not HTTP\r\n\r\n"


def head(status: int, headers: bytes = _JSON) -> bytes:
    """Status line and headers, without the empty line; `headers` end with a line break."""
    reason = _REASONS.get(status, "Dev Provider")
    return f"HTTP/1.1 {status} {reason}\r\nserver: modelwright-dev-provider\r\n".encode() + headers


def whole(body: bytes, *, status: int = 200, headers: bytes = _JSON) -> bytes:
    """An answer in one piece."""
    return b"%bcontent-length: %d\r\n\r\n%b" % (head(status, headers), len(body), body)


def failure(
    message: str, *, status: int, code: str | None = None, retry_after: float | None = None, path: str = ""
) -> bytes:
    """An error answer in the envelope of the path's wire, OpenAI's if it is no other's."""
    headers = _JSON if retry_after is None else _JSON + f"retry-after: {retry_after:g}\r\n".encode()
    if path.startswith(messages.PATH):
        return whole(messages.error_body(message, status=status), status=status, headers=headers)
    body = error_body(
        message, kind=_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error"), code=code
    )
    return whole(body, status=status, headers=headers)


def failed(message: str, entry: Entry, *, status: int, code: str | None = None) -> Iterator[Step]:
    """An error of the request's own making; the script has no part in it."""
    entry.status = status
    yield failure(message, status=status, code=code, path=entry.path)


def answered(body: bytes, effects: Effects, *, entry: Entry) -> Iterator[Step]:
    """An answer that is not streamed, with what the script does to it."""
    return _sent(_whole(body, effects, entry), effects)


def streamed(answer: Telling, effects: Effects, *, delay: float, entry: Entry) -> Iterator[Step]:
    """A stream with `delay` seconds before each token; counts the tokens into `entry`."""
    return _sent(_stream(answer, effects, delay=delay, entry=entry), effects)


def _whole(body: bytes, effects: Effects, entry: Entry) -> Iterator[Step]:
    if effects.wait:
        yield effects.wait
    if effects.hold is not None:
        yield Pause.HOLD
    kind = effects.fault.kind if effects.fault else ""
    entry.status = 500 if kind == "error" else 200
    if kind in {"cut", "stall"}:
        message = whole(body)
        yield message[: len(message) - (len(body) // 2 if effects.stop else len(body))]
        yield End.CUT if kind == "cut" else End.HANG
    elif kind == "error":
        yield failure(TOLD_TO_FAIL, status=500, code="dev_fault", path=entry.path)
    elif kind:
        yield from _instead(effects, entry)
    else:
        yield whole(body)


def _stream(answer: Telling, effects: Effects, *, delay: float, entry: Entry) -> Iterator[Step]:
    if effects.wait:
        yield effects.wait
    stop, hold = effects.stop, effects.hold
    instead = effects.fault is not None and stop is None
    if hold == 0 or (instead and hold):
        yield Pause.HOLD
    if instead:
        yield from _instead(effects, entry)
        return
    entry.status = 200
    start = head(
        200, b"content-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    yield start + (_chunks(answer.opening(), effects.split) if stop != 0 else b"")
    for event in answer.events():
        if entry.tokens == stop:
            break
        if delay:
            yield delay
        entry.tokens += 1
        yield _chunks(event, effects.split)
        if entry.tokens == hold:
            yield Pause.HOLD
    if stop is None:
        yield _chunks(answer.closing(), effects.split) + _LAST_CHUNK
    else:
        yield from _stopped(answer, effects)


def _stopped(answer: Telling, effects: Effects) -> Iterator[Step]:
    match effects.fault.kind if effects.fault else "":
        case "error":
            yield _chunks(answer.broken(), effects.split) + _LAST_CHUNK
        case "stall":
            yield End.HANG
        case _:
            yield End.CUT


def _instead(effects: Effects, entry: Entry) -> Iterator[Step]:
    """Faults that replace the answer."""
    fault = effects.fault
    kind = fault.kind if fault else ""
    entry.status = {"garbage": 0, "refuse": 0, "empty": 200}.get(kind, fault.status if fault else 500)
    match kind:
        case "garbage":
            yield GARBAGE
            yield End.CUT
        case "refuse":
            yield End.CUT
        case "empty":
            yield whole(b"")
        case _:
            status = fault.status if fault else 500
            wait = fault.argument if fault and status in {429, 503} else None
            told = f"the dev provider was told to answer {status}"
            yield failure(told, status=status, code="dev_fault", retry_after=wait, path=entry.path)


def _chunks(data: bytes, size: int) -> bytes:
    """HTTP chunks: one, or many of `size` bytes."""
    if not data:
        return b""
    if not size:
        return b"%x\r\n%b\r\n" % (len(data), data)
    return b"".join(_chunks(data[start : start + size], 0) for start in range(0, len(data), size))


def _sent(steps: Iterator[Step], effects: Effects) -> Iterator[Step]:
    if effects.lump:
        return _lumped(steps)
    return _split(steps, effects.split) if effects.split else steps


def _lumped(steps: Iterable[Step]) -> Iterator[Step]:
    """All waits, then all bytes at once."""
    waits, data, hold, end = 0.0, [], None, None
    for step in steps:
        match step:
            case bytes():
                data.append(step)
            case End():
                end = step
            case Pause():
                hold = step
            case _:
                waits += step
    yield waits
    if hold:
        yield hold
    yield b"".join(data)
    if end:
        yield end


def _split(steps: Iterable[Step], size: int) -> Iterator[Step]:
    """Every few bytes a write of its own."""
    for step in steps:
        if not isinstance(step, bytes):
            yield step
            continue
        for start in range(0, len(step), size):
            yield step[start : start + size]
            yield 0.0
