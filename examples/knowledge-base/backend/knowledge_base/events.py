"""An answer as server-sent events, from any place on: `begin`, then `text` as it is written, then `end`;
`still` when there is nothing to say for a while.

The id of an event is ATTEMPT.CHARACTERS. A browser that is cut off sends the last one it saw (`Last-Event-ID`) and gets
what comes after it; when the answer is being made anew, `begin` tells it to forget what it has.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from knowledge_base.bell import PATIENCE, Bell
from knowledge_base.store import Store

_QUIET = 5.0
"""Seconds without an event after which one says that the stream lives; a reader who hears nothing connects anew."""
_RETRY = 500
"""Milliseconds until a browser that was cut off asks again."""
_SAID = ("kind", "notice", "sources")
HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


def place(said: str) -> tuple[int, int]:
    """Attempt and characters of an event's id; (0, 0), the beginning, for anything else."""
    attempt, _, at = said.partition(".")
    if attempt.isascii() and attempt.isdigit() and at.isascii() and at.isdigit() and len(said) < 20:
        return int(attempt), int(at)
    return 0, 0


def event(name: str, value: dict[str, Any], *, id: str = "") -> bytes:  # noqa: A002  as SSE calls it
    """One event."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {name}\ndata: {json.dumps(value, ensure_ascii=False, default=str)}\n\n".encode()


async def events(store: Store, bell: Bell, visitor: UUID, question: UUID, *, after: str) -> AsyncIterator[bytes]:
    """Until the answer has ended, or the reader leaves."""
    attempt, at = place(after)
    begun = attempt > 0
    last = time.monotonic()
    yield f"retry: {_RETRY}\n\n".encode()
    with bell.heard(question) as news:
        while True:
            news.clear()
            found = await store.exchange(visitor, question, after=at)
            if found is None:
                yield event("end", {"state": "gone"})
                return
            if found["attempt"] != attempt or found["length"] < at:
                attempt, at, begun = found["attempt"], 0, False
                continue
            if not begun and found["kind"]:
                begun, last = True, time.monotonic()
                yield event("begin", {name: found[name] for name in _SAID}, id=f"{attempt}.0")
            if begun and found["text"]:
                at, last = at + len(found["text"]), time.monotonic()
                yield event("text", {"text": found["text"]}, id=f"{attempt}.{at}")
            if found["state"] in {"done", "failed"}:
                yield event("end", {"state": found["state"]})
                return
            if time.monotonic() - last > _QUIET:
                last = time.monotonic()
                yield event("still", {})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), PATIENCE)
