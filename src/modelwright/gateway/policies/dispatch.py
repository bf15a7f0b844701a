"""Policy: asks the chosen provider, writes the intent before, and turns its answer or failure into ours."""

from __future__ import annotations

import asyncio

import msgspec

from modelwright.core.contracts.ledger import Usage
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import ProviderError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.http import Headers, Transport, UpstreamResponse
from modelwright.core.ports.providers import AnswerHead, Dialect, Outbound
from modelwright.core.ports.stores import LedgerSink
from modelwright.core.wire import anthropic
from modelwright.core.wire.between.chat import Facts
from modelwright.core.wire.forms import Form
from modelwright.core.wire.openai import raw_field, with_fields
from modelwright.core.wire.sse import EVENTS
from modelwright.core.wire.v2 import ARTIFACT_HEADER, MACHINE_HEADER
from modelwright.gateway.call import Call, Handler, HeaderPairs, Reply
from modelwright.gateway.charges import reserve
from modelwright.gateway.failures import encoding, failures_of, note_failure
from modelwright.gateway.inflight import too_slow
from modelwright.gateway.lanes import Lane
from modelwright.gateway.prompting.filling import lane_body
from modelwright.gateway.routing.keyring import KeyRing
from modelwright.gateway.stream import FormRelay, PlainRelay, Relay, note_usage

MAX_ERROR = 1 << 20

_OWN_OUTCOMES = {500: "engine_failed", 503: "model_unavailable"}
"""What a status of our own worker means to the ledger; every other one is a refusal."""
_OWN_ERRORS = {400: "malformed", 404: "unknown_endpoint", 413: "too_large", 422: "unprocessable", 429: "overloaded"}
_BACK = frozenset({b"content-type", b"inference-header-content-length", b"retry-after"})
_PASS_BACK = {False: _BACK, True: _BACK | {ARTIFACT_HEADER}}
"""Headers that clients get, by whether it is our own model that answers."""
_TRACE = (b"traceparent", b"tracestate")
_LIMIT = "max_tokens"
_COUNTED = frozenset({"messages", "responses"})
"""Operations whose streams count tokens unasked."""
_BARE = frozenset({"infer", "predict"})
"""Operations whose answers hold nothing for us; what they cost stands in a header."""


class Dispatch:
    """Innermost: makes at most one upstream request each time that it is asked."""

    def __init__(self, transport: Transport, ledger: LedgerSink, clock: Clock) -> None:
        self._send = transport.send
        self._ledger = ledger
        self._monotonic = clock.monotonic

    async def __call__(self, call: Call, proceed: Handler) -> Reply:
        lane = call.lane
        if lane is None:
            raise RuntimeError("a call was dispatched before it had a route")
        now = self._monotonic()
        replica = lane.pick(now, call.keeper)
        dialect = replica.dialect
        key = lane.standing.ring.take(now)
        form = _form(call, dialect)
        request = dialect.request(_outbound(call, lane, key, form=form, dialect=dialect))
        row = call.row
        reserve(call, lane)
        self._ledger.intent(row)
        row.attempts += 1
        call.replica = replica
        replica.in_flight += 1
        breaker = replica.breaker
        if breaker is not None:
            breaker.enter(call)
        if row.stream:
            call.quiet_until = now + lane.deadlines.first_byte
        try:
            response = await self._send(request, lane.patient if row.stream else lane.deadlines)
            replica.reached = True
            headers = [pair for pair in response.headers if pair[0] in _PASS_BACK[lane.own]]
            if response.status >= 300:
                reply = await _refused(call, response, headers, form=form)
            elif coding := encoding(response.headers):
                response.close()
                raise ProviderError(f"the answer is encoded as {coding}, which nobody asked for")
            elif row.stream and _is_stream(headers):
                reply = await self._streamed(call, response, headers, form=form)
            else:
                body = await response.read(call.most)
                body = _noted(call, response, body, dialect=dialect, form=form)
                reply = Reply(response.status, headers=headers, body=body)
            if breaker is not None:
                breaker.succeed(call, self._monotonic())
            return reply
        except BaseException as error:
            failure = _failure(call, error)
            if failure is None:
                if breaker is not None:
                    breaker.leave(call)
                raise
        self._note(call, failure, ring=lane.standing.ring, key=key)
        try:
            raise failure
        finally:
            del failure  # it holds this frame, which must not hold it: the circle would wait for the collector

    def _note(self, call: Call, failure: CallError, *, ring: KeyRing, key: str) -> None:
        now = self._monotonic()
        ring.refused(key, error=failure, now=now)
        note_failure(call, failure, now=now)

    async def _streamed(
        self, call: Call, response: UpstreamResponse, headers: HeaderPairs, *, form: Form | None
    ) -> Reply:
        lane = call.lane
        patience = lane.deadlines.idle if lane is not None else 0.0
        if call.operation == "predict":
            relay = PlainRelay(call, response, patience=patience, monotonic=self._monotonic)
            headers = relay.headers(headers)
        elif form is None:
            relay = Relay(call, response, patience=patience, monotonic=self._monotonic)
        else:
            relay = FormRelay(call, response, form, patience=patience, monotonic=self._monotonic)
        try:
            await relay.begin()
        except BaseException:
            response.close()
            raise
        call.streaming = True
        return Reply(response.status, headers=headers, chunks=relay.chunks())


def _timed(headers: Headers) -> AnswerHead:
    """What a tensor answer of our own tells beside its body: the time that its engine worked for it."""
    told = next((value for name, value in headers if name == MACHINE_HEADER), b"")
    return AnswerHead(usage=Usage(machine_us=int(told)) if told.isdigit() else None)


def _take_note(call: Call, told: AnswerHead | None) -> None:
    """Usage goes into the row; an error that stands where the answer should be is one."""
    if told is None:
        raise ProviderError("the answer is no JSON object", hint="is the provider's base_url right?")
    if told.error is not None:
        raise failures_of(call).of_event(told)
    if told.usage is not None:
        note_usage(call.row, told.usage)


def _failure(call: Call, error: BaseException) -> CallError | None:
    """What an attempt failed by, in our words; None when it was ended from outside or by a defect."""
    if isinstance(error, CallError):
        return failures_of(call).of(error)
    return too_slow(call) if isinstance(error, asyncio.CancelledError) else None


def _noted(call: Call, response: UpstreamResponse, body: bytes, *, dialect: Dialect, form: Form | None) -> bytes:
    """A whole answer in the client's form, after what it tells went into the row."""
    if form is not None:
        body, told = form.answer(body)
    elif call.operation in _BARE:
        told = _timed(response.headers)
    else:
        told = dialect.answer(body)
    _take_note(call, told)
    return body


async def _refused(call: Call, response: UpstreamResponse, headers: HeaderPairs, *, form: Form | None) -> Reply:
    """An answer that is no success passes as it is, or becomes one of our errors."""
    row = call.row
    status = call.answered = response.status
    body = await response.read(MAX_ERROR)
    error = failures_of(call).of_status(status, response.headers, body)
    if error is not None:
        try:
            raise error
        finally:
            del error  # as above
    if call.lane is not None and call.lane.own:
        row.outcome = _OWN_OUTCOMES.get(status, "refused")
        row.error = _OWN_ERRORS.get(status, row.outcome)
    else:
        row.outcome = row.error = "provider_refused"
    return Reply(status, headers=headers, body=body if form is None else form.refusal(status, body))


def _form(call: Call, dialect: Dialect) -> Form | None:
    """How this lane is asked and how it answers; None when bytes simply pass, as most do."""
    spoken = dialect.spoken.get(call.operation)
    if spoken is None:
        return None
    asked = call.head is not None and call.head.asks_usage
    return Form(call.operation, spoken, Facts(call.row.call, int(call.row.at), asked))


def _limited(call: Call, body: bytes, dialect: Dialect) -> bytes:
    """A body that was translated before it came here names the limit of tokens as this vendor does."""
    spoken = dialect.spoken.get(call.row.operation)
    if spoken is None or spoken.limit_field == _LIMIT:
        return body
    limit = raw_field(body, _LIMIT)
    if not limit:
        return body
    # A name that is there already was set for this variant.
    kept = raw_field(body, spoken.limit_field) or limit
    return with_fields(body, {spoken.limit_field: msgspec.Raw(kept)}, without=(_LIMIT,))


def _outbound(call: Call, lane: Lane, api_key: str, *, form: Form | None, dialect: Dialect) -> Outbound:
    """What this lane is asked; the call itself stays the client's, since another lane may come after."""
    head = call.head
    streams = call.row.stream
    operation = call.operation if form is None else form.upstream
    body = lane_body(call, lane)
    if form is not None:
        body = form.request(body, own=b"" if lane.preamble is None else call.body)
    elif operation != call.row.operation:
        body = _limited(call, body, dialect)
    return Outbound(
        operation=operation,
        model=lane.model,
        client_model="" if head is None else head.model,
        body=body,
        version=call.version,
        stream=streams,
        ask_usage=streams and head is not None and not head.asks_usage and operation not in _COUNTED,
        api_key=api_key,
        headers=_pass_on(call, lane) if form is None else _pass_on(call, lane) + _versions(call, form),
    )


def _versions(call: Call, form: Form) -> tuple[tuple[bytes, bytes], ...]:
    """What a client of Anthropic's wire says of its version, when the other side speaks the same."""
    if form.upstream != "messages" or not form.native:
        return ()
    return tuple((name, call.headers[name]) for name in anthropic.VERSIONS if name in call.headers)


def _pass_on(call: Call, lane: Lane) -> tuple[tuple[bytes, bytes], ...]:
    """The client's headers that the other side needs; to our own workers also the ids."""
    headers = call.headers
    traced = tuple((name, headers[name]) for name in _TRACE if name in headers) if _TRACE[0] in headers else ()
    if not lane.own:
        return (*_tensor_headers(headers), *traced) if call.operation == "infer" else traced
    ids = (
        (b"x-modelwright-call", call.row.call.encode()),
        (b"x-request-id", call.row.request_id.encode()),
    )
    if call.operation == "predict":
        return (*_plain_headers(call), *ids, *traced)
    return (*_tensor_headers(headers), *ids, *traced) if call.operation == "infer" else (*ids, *traced)


def _plain_headers(call: Call) -> tuple[tuple[bytes, bytes], ...]:
    """JSON or a form; a stream comes as events, whatever form the client wants it in."""
    kind = (b"content-type", call.headers.get(b"content-type", b"application/json"))
    coding = call.headers.get(b"content-encoding")
    named = (kind,) if coding is None else (kind, (b"content-encoding", coding))
    return (*named, (b"accept", EVENTS)) if call.row.stream else named


def _tensor_headers(headers: dict[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    """V2: JSON unless the binary tensor extension is used; what `curl -d` calls its content is not asked."""
    length = headers.get(b"inference-header-content-length")
    if length is None:
        named: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)
    else:
        named = ((b"content-type", b"application/octet-stream"), (b"inference-header-content-length", length))
    coding = headers.get(b"content-encoding")
    return named if coding is None else (*named, (b"content-encoding", coding))


def _is_stream(headers: HeaderPairs) -> bool:
    return any(name == b"content-type" and value.lower().startswith(b"text/event-stream") for name, value in headers)
