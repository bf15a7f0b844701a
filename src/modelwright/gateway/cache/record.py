"""Takes an answer down while it passes, and keeps it once it is known to be a complete success; and gives it again."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.ports.cache import CacheStore, Kept
from modelwright.core.wire.openai_ends import END, is_whole, read_recorded, usage_event
from modelwright.gateway.cache.question import Question
from modelwright.gateway.cache.saving import HEADER, tokens_of, usage_of
from modelwright.gateway.call import Call, HeaderPairs, Reply

LONGEST = 4 << 20
"""Bytes of a stream that are taken down; a longer one is not kept."""


class Record:
    """Of one call; told of the outcome by the meter, just before that is written."""

    __slots__ = ("_at", "_body", "_content_type", "_pieces", "_question", "_room", "_store")

    def __init__(self, question: Question, store: CacheStore, *, at: float) -> None:
        """`at`: Unix seconds of now."""
        self._question = question
        self._store = store
        self._at = at
        self._body = b""
        self._content_type = b""
        self._pieces: list[bytes] = []
        self._room = LONGEST

    def take(self, call: Call, reply: Reply) -> None:
        """Look at a reply on its way; a stream is taken down as it passes."""
        if reply.status != 200 or (reply.chunks is not None) != call.row.stream:
            return
        self._content_type = content_type(reply.headers)
        if reply.chunks is None:
            self._body = reply.body
        else:
            reply.chunks = self._passed(call, reply.chunks)

    def __call__(self, row: LedgerRow) -> None:
        """The outcome: what is complete and well is kept under the variant that has answered."""
        if row.outcome != "ok" or row.status != 200:
            return
        kept = self._streamed(row) if row.stream else self._whole(row)
        if kept is not None:
            question = self._question
            self._store.put([(question.key(row.variant), kept)], ttl=question.rule.caching.ttl)

    async def _passed(self, call: Call, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        pieces = self._pieces
        try:
            async for chunk in chunks:
                self._room -= len(chunk)
                if self._room >= 0:
                    pieces.append(chunk)
                if call.ended and call.failure is None and self._room >= 0:
                    self._body = b"".join(pieces)
                yield chunk
        finally:
            await chunks.aclose()

    def _whole(self, row: LedgerRow) -> Kept | None:
        if not self._body or not is_whole(self._body, limited=self._question.limited):
            return None
        return self._kept(row, body=self._body)

    def _streamed(self, row: LedgerRow) -> Kept | None:
        recorded = read_recorded(self._body, limited=self._question.limited) if self._body else None
        if recorded is None:
            return None
        usage = recorded.usage or usage_event(recorded.first, usage_of(row))
        return self._kept(row, body=recorded.events, usage=usage, chunks=recorded.chunks)

    def _kept(self, row: LedgerRow, *, body: bytes, usage: bytes = b"", chunks: int = 0) -> Kept:
        return Kept(
            at=self._at,
            body=body,
            content_type=self._content_type,
            usage=usage,
            chunks=chunks,
            tokens=tokens_of(row),
            cost=row.cost,
            currency=row.currency,
        )


def replayed(call: Call, kept: Kept, *, age: float) -> Reply:
    """The same answer again."""
    headers: HeaderPairs = [
        (b"content-type", kept.content_type),
        (HEADER, b"hit"),
        (b"age", b"%d" % max(0.0, age)),
    ]
    if not call.row.stream:
        return Reply(200, headers=headers, body=kept.body)
    asked = call.head is not None and call.head.asks_usage
    call.streaming = True
    call.row.chunks = kept.chunks + bool(asked and kept.usage)
    return Reply(200, headers=headers, chunks=_once(call, kept.body + (kept.usage if asked else b"") + END))


def content_type(headers: HeaderPairs) -> bytes:
    """The value of the header; empty when there is none."""
    return next((value for name, value in headers if name == b"content-type"), b"")


async def _once(call: Call, body: bytes) -> AsyncGenerator[bytes, None]:
    call.ended = True
    yield body
