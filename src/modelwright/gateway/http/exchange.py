"""One HTTP request and its answer: ids, headers and envelopes, in the form of the wire that the path belongs to."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from typing import Any

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors import CallError, MethodNotAllowed, Unauthenticated
from modelwright.core.wire import openai, v2
from modelwright.core.wire.status import status_of
from modelwright.gateway.call import Call, HeaderPairs, Reply
from modelwright.gateway.http.paths import is_v2

Send = Callable[[Any], Awaitable[None]]

_REQUEST_ID = re.compile(rb"[!-~]{1,128}")
_JSON = (b"content-type", b"application/json")
_UNMATCHED = "_other"
"""Stands for every path that nothing is served at."""


class Exchange:
    """Lives as long as the request; after the head of the answer is sent, its status cannot change any more."""

    __slots__ = (
        "_id_headers",
        "_send",
        "_started_answer",
        "call",
        "call_id",
        "client",
        "error",
        "hang_up",
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
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        peer = scope["client"]
        self.client: str = peer[0] if peer else ""
        self.started = started
        self.call_id = call_id
        self.call: Call | None = None
        self.template = _UNMATCHED
        self.status = 0
        self.error = ""
        self.hang_up = False
        """Say `Connection: close`."""
        self._send = send
        self._started_answer = False
        given = self.headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            self.request_id = given.decode()
            self._id_headers = (b"x-request-id", given)
        else:
            self.request_id = call_id
            self._id_headers = (b"x-request-id", call_id.encode())

    async def answer(self, reply: Reply) -> None:
        """Send a reply, whole or as its chunks arrive."""
        headers = self._with_ids(reply.headers)
        chunks = reply.chunks
        if chunks is None:
            headers.append((b"content-length", b"%d" % len(reply.body)))
            await self._begin(reply.status, headers)
            await self._send({"type": "http.response.body", "body": reply.body})
            return
        call = self.call
        if call is None:
            raise RuntimeError("only a call's answer can be a stream")
        send = self._send
        try:
            await self._begin(reply.status, headers)
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": not call.ended})
        finally:
            await chunks.aclose()

    async def refuse(self, error: CallError) -> None:
        """Answer with an error in the wire's envelope; nothing can be said any more once an answer has begun."""
        self.error = error.code
        if self._started_answer:
            return
        body = v2.error_body(error) if is_v2(self.path) else openai.error_body(error)
        headers = [_JSON, *_error_headers(error)]
        await self.answer(Reply(status_of(error), headers=headers, body=body))

    def client_left(self) -> bool:
        """Whether the cancellation that was caught only says that the client is gone; if so it is taken back."""
        call = self.call
        if call is None or call.stopped is None:
            return False
        if call.task is not None:
            call.task.uncancel()
        return True

    def identified_row(self) -> LedgerRow | None:
        """The ledger row, when this was a call of somebody known."""
        call = self.call
        return call.row if call is not None and call.identified else None

    async def _begin(self, status: int, headers: HeaderPairs) -> None:
        if self.hang_up:
            headers.append((b"connection", b"close"))
        self.status = status
        self._started_answer = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    def _with_ids(self, headers: HeaderPairs) -> HeaderPairs:
        """The ids are on every answer; the variant is on every answer of a call that got as far as having one."""
        call = self.call
        headers.append(self._id_headers)
        if call is not None:
            headers.append((b"x-modelwright-call", self.call_id.encode()))
            if call.lane is not None:
                headers.append(call.lane.header)
        return headers


def _error_headers(error: CallError) -> HeaderPairs:
    headers: HeaderPairs = []
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", b'Bearer realm="modelwright"'))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", error.place.encode()))
    return headers
