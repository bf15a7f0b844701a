"""Policy: reads the request's body and the few fields of it that we act on; it judges no other field."""

from __future__ import annotations

from modelwright.core.wire import anthropic, openai, responses
from modelwright.core.wire.bodies.packed import read_coding, unpacked
from modelwright.core.wire.sse import wants_stream
from modelwright.gateway.call import Call, Handler, Reply

_STREAMS = frozenset({"chat", "completions", "messages", "responses"})
HEADS = {"messages": anthropic.read_head, "responses": responses.read_head}
"""Wires other than OpenAI's chat, completions and embeddings."""
_SHOWN = 128
"""Characters of a client's own words that the ledger keeps."""


class Read:
    """Comes after the key is known, so that strangers cannot make us hold their bytes."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        body = call.body = await call.read(self._limit)
        row = call.row
        row.bytes_in = len(body)
        if call.operation == "predict":
            row.stream = wants_stream(call.headers.get(b"accept", b""))
        elif call.operation != "infer":
            if (coding := call.headers.get(b"content-encoding")) is not None:
                body = call.body = await unpacked(body, read_coding(coding), limit=self._limit)
            head = call.head = HEADS.get(call.operation, openai.read_head)(body)
            row.endpoint = storable(head.model)
            if head.user and not row.user:
                row.user = storable(head.user)
            if head.stream and call.operation in _STREAMS:
                row.stream = True
        return await proceed(call)


def storable(words: str) -> str:
    """As every database takes them."""
    return words[:_SHOWN].replace("\0", "\ufffd")
