"""The relay of one event stream: passes events on as they arrive, reads usage, and never makes up an end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable

from modelwright.core.contracts.ledger import LedgerRow, Usage
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import ProviderError, UpstreamTruncated
from modelwright.core.ports.http import UpstreamResponse
from modelwright.core.wire import openai
from modelwright.core.wire.forms import Form
from modelwright.core.wire.sse import DONE, FAILED, LINES, MACHINE, EventSplitter, event_bytes, event_data, wants_lines
from modelwright.gateway.call import Call, HeaderPairs
from modelwright.gateway.failures import failures_of, note_failure
from modelwright.gateway.inflight import too_slow

HELD = 64 << 10
"""Bytes of role-only events and comments that wait for the first content; past it they are sent."""
LINGER = 1.0
"""Seconds that an upstream has to end its answer after [DONE], so that its connection can be used again."""


class Relay:
    """Between an upstream's event stream and the client.

    Nothing is sent before the first content has arrived, so that a failure up to there has its own HTTP status.
    """

    __slots__ = (
        "_began",
        "_call",
        "_dialect",
        "_done",
        "_failure",
        "_held",
        "_monotonic",
        "_patience",
        "_response",
        "_splitter",
    )

    def __init__(
        self, call: Call, response: UpstreamResponse, *, patience: float, monotonic: Callable[[], float]
    ) -> None:
        """`patience`: seconds that the upstream may pause between two pieces."""
        self._call = call
        self._response = response
        self._dialect = failures_of(call).dialect
        self._monotonic = monotonic
        self._patience = patience
        self._splitter = EventSplitter()
        self._held = b""
        self._began = False
        self._done = False
        self._failure: CallError | None = None

    async def begin(self) -> None:
        """Wait for the first content; raises the CallError that came instead."""
        call = self._call
        async for piece in self._response.chunks():
            call.begun = True
            self._held += self._pass(piece)
            if self._failure is not None:
                raise self._failure
            if self._began or self._done or len(self._held) > HELD:
                call.quiet_until = math.inf
                return
            call.quiet_until = self._monotonic() + self._patience
        raise UpstreamTruncated("the stream ended before any content")

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What the client gets; `ended` is set in the call before the last chunk is yielded."""
        call = self._call
        pieces = self._response.chunks()
        out = self._held
        try:
            try:
                while not self._done and self._failure is None:
                    if out:
                        yield out
                    call.quiet_until = self._monotonic() + self._patience
                    out = self._pass(await anext(pieces))
                    call.quiet_until = math.inf
            except StopAsyncIteration:
                out, self._failure = b"", UpstreamTruncated("the stream ended without its end mark")
            except (CallError, asyncio.CancelledError) as error:
                out, self._failure = b"", self._cut(error)
            if self._failure is not None:
                call.failure = failures_of(call).of(self._failure)
                note_failure(call, call.failure, now=self._monotonic())
                out += self._failed(call.failure)
            call.quiet_until = math.inf
            call.ended = True
            yield out
            call.deadline = self._monotonic() + LINGER
            if call.failure is None:
                async for _ in pieces:
                    pass
        finally:
            self._response.close()

    def _pass(self, piece: bytes) -> bytes:
        """The part of this piece that goes to the client now."""
        try:
            events = self._splitter.push(piece)
        except ValueError as error:
            self._failure = ProviderError(f"the stream cannot be read: {error}")
            return b""
        if len(events) == 1:
            return self._event(events[0])
        out: list[bytes] = []
        for event in events:
            out.append(self._event(event))
            if self._done or self._failure is not None:
                break
        return b"".join(out)

    def _event(self, event: bytes) -> bytes:
        call = self._call
        if self._began and not _remarkable(event):
            call.row.chunks += 1
            return event
        data = event_data(event)
        if not data:
            return event
        if data == DONE:
            self._done = True
            return event
        told = self._dialect.event(data)
        if told.error is not None:
            self._failure = failures_of(call).of_event(told)
            return b""
        if told.usage is not None:
            note_usage(call.row, told.usage)
            if told.choices == 0 and call.head is not None and not call.head.asks_usage:
                return b""
        if told.begins and not self._began:
            self._began = True
            call.row.first_token_ms = round((self._monotonic() - call.started) * 1000, 3)
        call.row.chunks += 1
        return event

    def _failed(self, error: CallError) -> bytes:
        """The event that tells the client so."""
        return event_bytes(openai.error_body(error))

    def _cut(self, error: CallError | asyncio.CancelledError) -> CallError:
        """The failure to tell the client of; a cancellation goes on, unless the call was only too slow."""
        if isinstance(error, CallError):
            return error
        slow = too_slow(self._call)
        if slow is None:
            raise error
        return slow


class FormRelay(Relay):
    """The relay of a stream on a wire other than OpenAI's chat, or from one wire to another."""

    __slots__ = ("_events",)

    def __init__(
        self,
        call: Call,
        response: UpstreamResponse,
        form: Form,
        *,
        patience: float,
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__(call, response, patience=patience, monotonic=monotonic)
        self._events = form.stream()

    def _event(self, event: bytes) -> bytes:
        call = self._call
        try:
            out, told = self._events.read(event)
        except CallError as error:
            self._failure = error
            return b""
        if told.error is not None:
            self._failure = failures_of(call).of_event(told)
            return b""
        if told.usage is not None:
            note_usage(call.row, told.usage)
        if told.begins and not self._began:
            self._began = True
            call.row.first_token_ms = round((self._monotonic() - call.started) * 1000, 3)
        self._done = self._events.done
        if out:
            call.row.chunks += 1
        return out

    def _failed(self, error: CallError) -> bytes:
        return self._events.failure(error)


class PlainRelay(Relay):
    """The relay of a model's pieces, as events or as lines of JSON; what they hold is not looked at."""

    __slots__ = ("_lines",)

    def __init__(
        self, call: Call, response: UpstreamResponse, *, patience: float, monotonic: Callable[[], float]
    ) -> None:
        super().__init__(call, response, patience=patience, monotonic=monotonic)
        self._lines = wants_lines(call.headers.get(b"accept", b""))

    def headers(self, given: HeaderPairs) -> HeaderPairs:
        """The worker's, with the name of the form that the client gets."""
        if not self._lines:
            return given
        return [(b"content-type", LINES[0]), *(pair for pair in given if pair[0] != b"content-type")]

    def _event(self, event: bytes) -> bytes:
        call, data = self._call, event_data(event)
        if event.startswith(FAILED):
            self._failure = failures_of(call).of_event(self._dialect.event(data))
            return b""
        if event.startswith(MACHINE):
            call.row.machine_us = int(data) if data.isdigit() else None
            return b""
        if not self._began:
            self._began = True
            call.row.first_token_ms = round((self._monotonic() - call.started) * 1000, 3)
        if data == DONE:
            self._done = True
            return b"" if self._lines else event
        call.row.chunks += 1
        return data + b"\n" if self._lines else event

    def _failed(self, error: CallError) -> bytes:
        body = openai.error_body(error)
        return body + b"\n" if self._lines else FAILED + event_bytes(body)


def note_usage(row: LedgerRow, usage: Usage) -> None:
    """Write token counts into the row."""
    row.input_tokens = usage.input_tokens
    row.cached_tokens = usage.cached_tokens
    row.cache_write_tokens = usage.cache_write_tokens
    row.output_tokens = usage.output_tokens
    row.reasoning_tokens = usage.reasoning_tokens
    row.machine_us = usage.machine_us


def _remarkable(event: bytes) -> bool:
    """Whether an event after the first content may hold more than content; cheap, and wrong only to the safe side."""
    at = event.find(b'"usage"')
    if at >= 0 and (not event.startswith(b":null", at + 7) or event.find(b'"usage"', at + 7) > 0):
        return True  # some vendors say null first, and their counts in a place of their own
    return b'"error"' in event or b"[DONE]" in event or not event.startswith(b"data:")
