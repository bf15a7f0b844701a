"""Policy: an endpoint's guard sees the request before it goes on and the answer before it leaves; it finds nothing."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial

from modelwright.core.contracts.ledger import LedgerRow
from modelwright.core.errors.calls import CallError, GuardFailed
from modelwright.core.ports.guards import Ask, Guard, Watch
from modelwright.core.wire import openai
from modelwright.core.wire.sse import event_bytes
from modelwright.gateway.call import Call, Handler, Reply
from modelwright.gateway.prompting.filling import system_text

HEADER = b"x-modelwright-guards"
_WITHOUT_TEXT = frozenset({"infer", "predict"})
log = logging.getLogger("modelwright.gateway")


class Inspect:
    """In the chain only when an endpoint has a guard; a call of another endpoint passes by."""

    def __init__(self, guards: Mapping[str, Guard], *, ask: Callable[[LedgerRow], Ask]) -> None:
        """`guards` by endpoint; `ask` gives who asks the judges of a call."""
        self._guards = guards
        self._ask = ask

    def __call__(self, call: Call, proceed: Handler) -> Awaitable[Reply]:
        guard = self._guards.get(call.row.endpoint)
        if guard is None or call.operation in _WITHOUT_TEXT:
            return proceed(call)
        return _inspected(call, proceed, guard=guard, ask=self._ask(call.row))


async def _inspected(call: Call, proceed: Handler, *, guard: Guard, ask: Ask) -> Reply:
    watch = guard.watch(call.operation, ask)
    call.row.guards = watch.verdicts
    try:
        call.body = await watch.question(call.body)
    except CallError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a guard's defect is, it is told of and decided on
        _failed(call, guard, error)
    reply = await proceed(call)
    if watch.looks_back and reply.status < 300:
        watch.told(partial(system_text, call))
        if reply.chunks is not None:
            reply.chunks = _streamed(call, reply.chunks, watch=watch, guard=guard)
        else:
            await _answered(call, reply, watch=watch, guard=guard)
    if watch.verdicts:
        told = ", ".join(f"{name}={verdict}" for name, verdict in watch.verdicts.items())
        reply.headers.append((HEADER, told.encode()))
    return reply


async def _answered(call: Call, reply: Reply, *, watch: Watch, guard: Guard) -> None:
    try:
        reply.body = await watch.answer(reply.body)
    except CallError:
        raise
    except Exception as error:  # noqa: BLE001 - as above
        _failed(call, guard, error)


async def _streamed(
    call: Call, chunks: AsyncGenerator[bytes, None], *, watch: Watch, guard: Guard
) -> AsyncGenerator[bytes, None]:
    """The stream as it may leave. One that is blocked ends with an error event, and its upstream is closed."""
    judge = watch.events
    try:
        async for events in chunks:
            try:
                out = judge(events)
            except CallError as error:
                yield _end(call, watch.stopped(), error)
                return
            except Exception as error:  # noqa: BLE001 - as above
                try:
                    _failed(call, guard, error)
                except GuardFailed as failure:
                    yield _end(call, b"", failure)
                    return
                judge, out = _unseen, watch.unjudged(events)
            if watch.weighs:
                try:
                    out = await watch.weighed(out, last=call.ended)
                except CallError as error:
                    yield _end(call, watch.stopped(), error)
                    return
            if out or call.ended:
                yield out
    finally:
        await chunks.aclose()


def _end(call: Call, last: bytes, error: CallError) -> bytes:
    call.failure = error
    call.ended = True
    return last + event_bytes(openai.error_body(error))


def _unseen(events: bytes) -> bytes:
    return events


def _failed(call: Call, guard: Guard, error: Exception) -> None:
    """Tell of it; raises GuardFailed unless calls go on without their guard. An exception's text may hold content."""
    log.error("the guard of endpoint %s failed: %s", call.row.endpoint, type(error).__name__)
    call.row.guards["error"] = "allow:1" if guard.fails_open else "block:1"
    if not guard.fails_open:
        raise GuardFailed(
            "the endpoint's guard failed, and what it cannot judge does not pass",
            hint="try again; the operator finds the reason in the log",
        ) from None
