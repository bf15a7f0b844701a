"""A question for words: its answer is taken down while it passes, kept once it is a complete success, given again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.ports.cache import CacheStore, Kept
from modelwright.core.wire.openai_ends import END, is_whole, read_recorded, usage_event
from modelwright.gateway.cache.question import Question
from modelwright.gateway.cache.saving import HEADER, note_answer, tokens_of, usage_of
from modelwright.gateway.call import Call, Handler, HeaderPairs, Reply

LONGEST = 4 << 20
"""Bytes of a stream that are taken down; a longer one is not kept."""


class Text:
    """One call that asks for words; told of the outcome by the meter."""

    __slots__ = ("_at", "_body", "_content_type", "_now", "_question", "_room", "_store", "given")

    def __init__(self, question: Question, store: CacheStore, *, now: Callable[[], float]) -> None:
        """`now` gives Unix seconds."""
        self.given: Kept | None = None
        """The answer, once it is known to be a complete success."""
        self._question = question
        self._store = store
        self._now = now
        self._at = 0.0
        self._body = b""
        self._content_type = b""
        self._room = LONGEST

    def key(self, variant: str) -> bytes:
        return self._question.key(variant)

    def partition(self, variant: str, *parts: bytes) -> bytes:
        """Of questions that are equal in all but their messages, and in these parts."""
        return self._question.partition(variant, *parts)

    async def look(self, call: Call, *, oldest: float) -> Reply | None:
        kept = await self.kept(self.key(call.row.variant))
        if kept is None or self.age(kept) > oldest:
            call.row.cache = "miss"
            return None
        return self.give(call, kept, mark="hit")

    async def kept(self, key: bytes) -> Kept | None:
        """The answer that stands under a key."""
        (kept,) = await self._store.get((key,))
        return kept

    def age(self, kept: Kept) -> float:
        """Seconds."""
        return self._now() - kept.at

    def give(self, call: Call, kept: Kept, *, mark: str) -> Reply:
        """The same answer again."""
        row = call.row
        row.cache = mark
        row.input_tokens = row.output_tokens = 0
        note_answer(row, kept)
        headers: HeaderPairs = [
            (b"content-type", kept.content_type),
            (HEADER, mark.encode()),
            (b"age", b"%d" % max(0.0, self.age(kept))),
        ]
        if not row.stream:
            return Reply(200, headers=headers, body=kept.body)
        asked = call.head is not None and call.head.asks_usage
        call.streaming = True
        row.chunks = kept.chunks + bool(asked and kept.usage)
        return Reply(200, headers=headers, chunks=_once(call, kept.body + (kept.usage if asked else b"") + END))

    async def ask(self, call: Call, proceed: Handler) -> Reply:
        self._at = self._now()
        call.at_end = (*call.at_end, self._keep)
        reply = await proceed(call)
        if reply.status == 200 and (reply.chunks is not None) == call.row.stream:
            self._content_type = content_type(reply.headers)
            if reply.chunks is None:
                self._body = reply.body
            else:
                reply.chunks = self._passed(call, reply.chunks)
        return reply

    def _keep(self, row: LedgerRow) -> None:
        """The outcome: what is complete and well is kept under the variant that has answered."""
        if row.outcome != "ok" or row.status != 200 or not self._body:
            return
        kept = self._streamed(row) if row.stream else self._whole(row)
        self.given = kept
        if kept is not None:
            question = self._question
            self._store.put([(question.key(row.variant), kept)], ttl=question.rule.caching.ttl)

    async def _passed(self, call: Call, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        pieces: list[bytes] = []
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
        if not is_whole(self._body, limited=self._question.limited):
            return None
        return self._kept(row, body=self._body)

    def _streamed(self, row: LedgerRow) -> Kept | None:
        recorded = read_recorded(self._body, limited=self._question.limited)
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


def content_type(headers: HeaderPairs) -> bytes:
    """The value of the header; empty when there is none."""
    return next((value for name, value in headers if name == b"content-type"), b"")


async def _once(call: Call, body: bytes) -> AsyncGenerator[bytes, None]:
    call.ended = True
    yield body
