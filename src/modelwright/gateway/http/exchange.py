"""One HTTP request and its answer: ids, headers and envelopes, in the form of the wire that the path belongs to."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from modelwright.core.errors.calls import CallError, MethodNotAllowed, Unauthenticated
from modelwright.core.wire import anthropic, openai, v2
from modelwright.core.wire.status import status_of
from modelwright.gateway.call import Call, HeaderPairs, Reply
from modelwright.gateway.http.body import Body
from modelwright.gateway.http.paths import wire_of

Send = Callable[[Any], Awaitable[None]]

_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_JSON = (b"content-type", b"application/json")
_UNMATCHED = "_other"
"""Stands for every path that nothing is served at."""


class Exchange:
    """Lives as long as the request; once `status` is set, the head of the answer is sent and cannot change any more."""

    __slots__ = (
        "_send",
        "body",
        "call",
        "call_id",
        "client",
        "error",
        "headers",
        "method",
        "path",
        "request_id",
        "started",
        "status",
        "template",
    )

    def __init__(self, scope: Any, send: Send, *, started: float, call_id: str) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if len(headers) != len(scope["headers"]):
            headers = _joined(scope["headers"])
        self.headers = headers
        peer = scope["client"]
        self.client: str = peer[0] if peer else ""
        self.started = started
        self.call_id = call_id
        self.call: Call | None = None
        self.body: Body | None = None
        self.template = _UNMATCHED
        self.status = 0
        self.error = ""
        self._send = send
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            self.request_id = given.decode()
        else:
            self.request_id = call_id

    async def answer(self, reply: Reply) -> None:
        """Send a reply, whole or as its chunks arrive."""
        headers = reply.headers
        self._add_ids(headers)
        self.status = reply.status
        send = self._send
        start = {"type": "http.response.start", "status": reply.status, "headers": headers}
        chunks = reply.chunks
        if chunks is None:
            headers.append((b"content-length", b"%d" % len(reply.body)))
            await send(start)
            await send({"type": "http.response.body", "body": reply.body})
            return
        call, settle = self.call, reply.settle
        if call is None or settle is None:
            raise RuntimeError("only a metered call's answer can be a stream")
        row = call.row
        try:
            await send(start)
            async for chunk in chunks:
                row.bytes_out += len(chunk)
                if call.ended:
                    settle(call, None)
                call.giving = True
                await send({"type": "http.response.body", "body": chunk, "more_body": not call.ended})
                call.giving = False
        except Exception:
            settle(call, CallError("internal error"))
            raise
        finally:
            settle(call, None)
            await chunks.aclose()

    async def refuse(self, error: CallError) -> None:
        """Answer with an error in the wire's envelope; nothing can be said any more once an answer has begun."""
        self.error = error.code
        if self.status:
            return
        status, body = _envelope(error, self.path)
        headers = [_JSON, *_error_headers(error)]
        if self.body is not None and self.body.hang_up:
            headers.append((b"connection", b"close"))
        await self.answer(Reply(status, headers=headers, body=body))

    def client_left(self) -> bool:
        """Whether the cancellation that was caught only says that the client is gone; if so it is taken back."""
        call = self.call
        if call is None or call.stopped is None:
            return False
        if call.task is not None:
            call.task.uncancel()
        return True

    def _add_ids(self, headers: HeaderPairs) -> None:
        """The ids are on every answer; the variant is on every answer of a call that got as far as having one."""
        call = self.call
        call_id = self.call_id.encode()
        headers.append((b"x-request-id", call_id if self.request_id is self.call_id else self.request_id.encode()))
        if call is not None:
            headers.append((b"x-modelwright-call", call_id))
            if call.lane is not None:
                headers.append(call.lane.header)
            if call.told:
                headers += call.told


def _joined(pairs: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers of one name are one list, in their order (RFC 9110, 5.3): proxies add lines to X-Forwarded-For."""
    lines: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        lines.setdefault(name, []).append(value)
    return {name: b", ".join(values) for name, values in lines.items()}


def _envelope(error: CallError, path: str) -> tuple[int, bytes]:
    """Status and body in the form that the path's clients know."""
    match wire_of(path):
        case "v2":
            return status_of(error), v2.error_body(error)
        case "anthropic":
            return anthropic.status(error), anthropic.error_body(error)
        case _:
            return status_of(error), openai.error_body(error)


def _error_headers(error: CallError) -> HeaderPairs:
    headers: HeaderPairs = []
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="modelwright"'))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.place.encode()))
    return headers
