"""What every serving door has in common: its port, whole bodies in, whole answers out, as raw ASGI.

It knows no wire: paths, envelopes and models are each door's own.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
from prometheus_client.core import Metric

from modelwright.core.errors.calls import ModelUnavailable, Stopped, TooLarge
from modelwright.core.status import Busy
from modelwright.core.wire.bodies.packed import read_coding

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]
Into = Callable[[memoryview], Awaitable[None]]
"""Lets a body arrive in memory of just its size; raises Stopped when the client left meanwhile."""

JSON: Header = (b"content-type", b"application/json")


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What loading and the warm-up request took, in milliseconds."""

    load_ms: float
    warmup_ms: float
    tuned: str = ""
    """What the best threads and rows are, for people, when they were looked for."""


class Measured(Protocol):
    """What a door tells of itself."""

    def busy(self) -> Busy:
        """The numbers of now, all but memory."""
        ...

    def collect(self) -> Iterable[Metric]:
        """Metric families for `/metrics`, made when they are asked for."""
        ...


class Door(Measured, Protocol):
    """One model behind one wire. `answer` works from the first moment: 503 until `start` has returned."""

    async def start(self) -> Loaded:
        """Load the model and answer one real request; raises StartError with the reason."""
        ...

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; every failure becomes the wire's envelope."""
        ...

    async def stop(self) -> None:
        """All answers are sent: give thread and memory back."""
        ...


def loading(model: str) -> ModelUnavailable:
    """The error before the warm-up request was answered."""
    return ModelUnavailable(f"model {model!r} is still loading", hint="send the request again", retry_after=1.0)


def content_length(headers: Iterable[Header]) -> int | None:
    """Bytes of the body as the client states them; None for a chunked one."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return None


async def read_body(receive: Receive, *, limit: int, stated: int | None = None) -> bytes:
    """The whole body; raises TooLarge past `limit` bytes, and Stopped when the client left meanwhile."""
    body, into = await begin_body(receive, limit=limit, stated=stated)
    if into is None:
        return body
    whole = io.BytesIO(bytes(stated or 0))
    await into(whole.getbuffer())
    return whole.getvalue()  # what it was made with, not a copy


async def begin_body(receive: Receive, *, limit: int, stated: int | None) -> tuple[bytes, Into | None]:
    """The whole body, or what lets a large one of stated size arrive in memory; raises as `read_body` does."""
    if stated is not None and stated > limit:
        raise too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _left()
    body: bytes = message.get("body", b"")
    if len(body) > limit:
        raise too_large(limit)
    if not message.get("more_body", False):
        return body, None
    into = message.get("modelwright.into")
    if into is None or stated is None:
        return await _read_on(receive, body, limit=limit), None
    return b"", partial(_fill, into)


async def _fill(into: Callable[[memoryview], Awaitable[bool]], memory: memoryview) -> None:
    if not await into(memory):
        raise _left()


async def _read_on(receive: Receive, first: bytes, *, limit: int) -> bytes:
    pieces, size, more = [first], len(first), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _left()
        piece: bytes = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        more = message.get("more_body", False)
        if size > limit:
            raise too_large(limit)
    return b"".join(pieces)


async def cancel_when_gone(receive: Receive, task: asyncio.Task[Any] | None) -> None:
    """Cancel a task when the client of its request leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if task is not None:
        task.cancel()


def coding_of(headers: Iterable[Header]) -> bytes:
    """How the body is compressed, empty when it is not; raises Unprocessable."""
    return next((read_coding(value) for name, value in headers if name == b"content-encoding"), b"")


async def send_answer(send: Send, status: int, body: bytes, *, headers: Sequence[Header] = (JSON,)) -> None:
    """One whole answer."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


def too_large(limit: int) -> TooLarge:
    """The error of a body past its bound."""
    return TooLarge(f"the body is larger than {limit} bytes", hint="send less at once, or raise gateway.max_body")


def _left() -> Stopped:
    return Stopped("the client left before its request was complete")
