"""Policy: a stream on another wire goes on as chat where others must read it, and is told on its own wire again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Collection

from modelwright.core.contracts.guard import GuardSide
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import ProviderError
from modelwright.core.ports.providers import Spoken
from modelwright.core.wire import openai
from modelwright.core.wire.between.chat import Facts
from modelwright.core.wire.forms import Events, Form
from modelwright.core.wire.sse import EventSplitter
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.lanes import Lane, Route, Table

OTHERS = frozenset({"messages", "responses"})
_CHAT = Spoken(operation="chat")
"""Its limit of tokens has the name that most vendors know; Dispatch gives it that of the lane that is asked."""


class InChat:
    """In the chain only when an endpoint has policies that read streams, and before them: they know chat alone.

    Whole answers they can read on every wire.
    """

    def __init__(self, calls: Collection[tuple[str, str]]) -> None:
        """`calls` by endpoint and operation."""
        self._calls = frozenset(calls)

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        row = call.row
        if not row.stream or call.operation not in OTHERS or (row.endpoint, call.operation) not in self._calls:
            return proceed(call)
        return _in_chat(call, proceed)


def in_chat(table: Table) -> frozenset[tuple[str, str]]:
    """Calls of a snapshot, by endpoint and operation, whose streams the policies inside must see as chat.

    A guarded answer must be seen in any case. To be kept, a stream is seen as chat only where each lane is asked in
    chat anyway: a provider of the client's own wire gets the request as it is.
    """
    return frozenset(
        (name, operation)
        for name, route in table.routes.items()
        for operation in OTHERS
        if _is_guarded(route)
        or (route.endpoint.cache is not None and all(_asked_in_chat(lane, operation) for lane in route.lanes))
    )


def _is_guarded(route: Route) -> bool:
    guard = route.endpoint.guard
    return guard is not None and guard.output != GuardSide()


def _asked_in_chat(lane: Lane, operation: str) -> bool:
    known = lane.replicas[0].dialect.spoken.get(operation) if lane.replicas else None
    return known is None or known.operation == "chat"


async def _in_chat(call: Call, proceed: Handler) -> Reply:
    form = Form(call.operation, _CHAT, Facts(call.row.call, int(call.row.at)))
    body = form.request(call.body)
    call.body = openai.ask_for_usage(body)
    call.head = openai.read_head(call.body)
    call.operation = "chat"
    reply = await proceed(call)
    if reply.chunks is not None:
        reply.chunks = _told(call, reply.chunks, form.stream())
    elif reply.status < 300:
        reply.body, _ = form.answer(reply.body)
    else:
        reply.body = form.refusal(reply.status, reply.body)
    return reply


async def _told(call: Call, chunks: AsyncGenerator[bytes, None], events: Events) -> AsyncGenerator[bytes, None]:
    """The stream on the client's wire."""
    splitter = EventSplitter()
    try:
        async for chunk in chunks:
            out, failed = _through(call, splitter.push(chunk), events)
            if out or call.ended:
                yield out
            if failed:
                return
    finally:
        await chunks.aclose()


def _through(call: Call, pieces: list[bytes], events: Events) -> tuple[bytes, bool]:
    """What these events are to the client, and whether the stream is over, since it has failed."""
    out: list[bytes] = []
    for event in pieces:
        try:
            said, told = events.read(event)
            if told.error is not None:
                raise call.failure or ProviderError(told.error)
        except CallError as error:
            call.failure = error
            call.ended = True
            return b"".join([*out, events.failure(error)]), True
        out.append(said)
    return b"".join(out), False
