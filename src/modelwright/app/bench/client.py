"""One client of a site: sends a request, reads its answer or stream to the end, and takes the time."""

from __future__ import annotations

import msgspec

from modelwright.app.bench.figures import Sample
from modelwright.app.bench.shot import Shot
from modelwright.core.contracts.ledger import Usage
from modelwright.core.errors.calls import CallError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.http import Deadlines, Origin, Transport, UpstreamRequest, UpstreamResponse
from modelwright.core.wire import openai
from modelwright.core.wire.sse import DONE, EventSplitter, event_data

LARGEST = 256 << 20
"""Bytes of one answer."""


class Client:
    """Sends to one origin with one key."""

    def __init__(
        self,
        transport: Transport,
        origin: Origin,
        *,
        headers: tuple[tuple[bytes, bytes], ...],
        within: float,
        clock: Clock,
    ) -> None:
        """`headers` go with every request; `within` seconds each answer begins, and goes on."""
        self._transport = transport
        self._origin = origin
        self._headers = headers
        self._deadlines = Deadlines(connect=min(within, 10.0), first_byte=within, idle=within)
        self._clock = clock

    async def get(self, target: str) -> tuple[int, bytes]:
        """Status and body; raises CallError when nobody answers."""
        response = await self._ask("GET", target)
        return response.status, await response.read(LARGEST)

    async def send(self, shot: Shot, planned: float) -> Sample:
        """One request; `planned` is the moment of the monotonic clock from which its time counts."""
        first: float | None = None
        tokens = 0
        error = ""
        try:
            response = await self._ask("POST", shot.target, headers=shot.headers, body=shot.body)
            if response.status != 200:
                error = _told(response.status, await response.read(LARGEST))
            elif shot.stream:
                first, tokens, error = await self._streamed(response)
            else:
                answer = openai.read_answer(await response.read(LARGEST)) if shot.target.startswith("/v1/") else None
                tokens = _output(answer.usage if answer else None)
        except CallError as failure:
            error = failure.code
        now = self._clock.monotonic()
        return Sample(now - planned, error, None if first is None else first - planned, tokens)

    async def _ask(
        self, method: str, target: str, *, headers: tuple[tuple[bytes, bytes], ...] = (), body: bytes = b""
    ) -> UpstreamResponse:
        json = ((b"content-type", b"application/json"),) if body else ()
        request = UpstreamRequest(
            origin=self._origin, method=method, target=target, headers=(*self._headers, *json, *headers), body=body
        )
        return await self._transport.send(request, self._deadlines)

    async def _streamed(self, response: UpstreamResponse) -> tuple[float | None, int, str]:
        """The moment of its first content, its output tokens, and what went wrong."""
        splitter, first, tokens, error, done = EventSplitter(), None, 0, "", False
        async for chunk in response.chunks():
            for event in splitter.push(chunk):
                data = event_data(event)
                if data == DONE:
                    done = True
                    continue
                if not data:
                    continue
                told = openai.read_event(data)
                error = error or (told.error and "an error within the stream") or ""
                tokens = _output(told.usage) or tokens
                if first is None and told.begins:
                    first = self._clock.monotonic()
        return first, tokens, error or ("" if done else "the stream ended early")


def _output(usage: Usage | None) -> int:
    return (usage.output_tokens or 0) if usage else 0


class _Error(msgspec.Struct):
    code: str | None = None


class _Envelope(msgspec.Struct):
    error: _Error


def _told(status: int, body: bytes) -> str:
    """`429 overloaded`; V2's envelope has no code."""
    try:
        code = msgspec.json.decode(body, type=_Envelope).error.code or ""
    except msgspec.MsgspecError:
        code = ""
    return f"{status} {code}".rstrip()
