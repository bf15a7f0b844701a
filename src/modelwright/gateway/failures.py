"""What an upstream's failure means for the client of one lane: who failed, in words that hold no secret."""

from __future__ import annotations

import logging

import msgspec

from modelwright.core.errors.calls import (
    CallError,
    EngineFailed,
    Malformed,
    ModelUnavailable,
    Overloaded,
    TooLarge,
    UnknownEndpoint,
    Unprocessable,
)
from modelwright.core.errors.providers import ProviderError, ProviderUnreachable, UpstreamTruncated
from modelwright.core.ports.http import Headers
from modelwright.core.ports.providers import AnswerHead
from modelwright.gateway.call import Call
from modelwright.gateway.lanes import Lane, Replica, lost_model
from modelwright.gateway.routing.again import speaks_against

log = logging.getLogger("modelwright.gateway")

_REFUSALS: dict[int, type[CallError]] = {
    400: Malformed,
    404: UnknownEndpoint,
    413: TooLarge,
    422: Unprocessable,
}
_OWN: dict[int, type[CallError]] = {**_REFUSALS, 429: Overloaded, 500: EngineFailed, 503: ModelUnavailable}


def failures_of(call: Call) -> Failures:
    """The judge of a call that was sent somewhere."""
    if call.lane is None or call.replica is None:
        raise RuntimeError("the call was not sent anywhere")
    return Failures(call.lane, call.replica)


def note_failure(call: Call, error: CallError, *, now: float) -> None:
    """The breaker of the address that was asked hears of it; `now` is monotonic."""
    breaker = call.replica.breaker if call.replica is not None else None
    if breaker is None:
        return
    if speaks_against(error, call.answered):
        breaker.fail(call, now)
    elif isinstance(error, ProviderError):
        breaker.succeed(call, now)  # it refuses, and is well
    else:
        breaker.leave(call)


class Failures:
    """Judges everything that can go wrong with one replica of one lane; made only when something has."""

    def __init__(self, lane: Lane, replica: Replica) -> None:
        self._lane = lane
        self._replica = replica
        self.dialect = replica.dialect

    def of(self, error: CallError) -> CallError:
        """The client's view of an error that the transport or the stream raised.

        A lost connection to our own worker means that it died: no call is sent there until it is back.
        """
        lane = self._lane
        if not isinstance(error, ProviderError):
            return error
        if lane.own:
            if isinstance(error, ProviderUnreachable | UpstreamTruncated):
                self._replica.lose()
                return lost_model(lane.model)
            return error
        message = self._clean(error.message)
        if isinstance(error, ProviderUnreachable):
            if self._replica.reached:
                self._replica.reached = False
                log.warning("provider %s cannot be reached: %s", lane.provider, message)
            message = f"provider {lane.provider} cannot be reached"  # where it stands is not the client's business
        elif lane.provider not in message:
            message = f"provider {lane.provider}: {message}"
        return type(error)(message, hint=error.hint, retry_after=error.retry_after)

    def of_event(self, told: AnswerHead) -> CallError:
        """The error that an event or an answer told instead of content."""
        status, message = told.error_status, self._clean(told.error or "")
        if self._lane.own:
            return _OWN.get(status, EngineFailed)(message, retry_after=1.0 if status in {429, 503} else None)
        if status in _REFUSALS:
            return _REFUSALS[status](f"provider {self._lane.provider}: {message}")
        error = self.dialect.failure(status, (), b"")
        if error is None or type(error) is ProviderError:
            return ProviderError(f"provider {self._lane.provider} answered with an error: {message}")
        return error

    def of_status(self, status: int, headers: Headers, body: bytes) -> CallError | None:
        """The error for an answer that is no success; None when it may pass to the client as it is."""
        name = self._lane.provider
        if status < 400:
            return ProviderError(f"provider {name} answered {status}", hint="is the base_url right?")
        error = self.dialect.failure(status, headers, body)
        if error is not None:
            return self.of(error)
        if coding := encoding(headers):
            return ProviderError(f"provider {name} answered {status}; its words are encoded as {coding} and left out")
        if self._holds_secret(body.decode(errors="replace")) or self._holds_secret(_unescaped(body)):
            return ProviderError(f"provider {name} answered {status}; its words hold a secret and are left out")
        return None

    def _clean(self, message: str) -> str:
        return "(its words hold a secret and are left out)" if self._holds_secret(message) else message

    def _holds_secret(self, text: str) -> bool:
        return any(secret in text for secret in self._lane.secrets)


def encoding(headers: Headers) -> str:
    """Of an answer's body, for which the identity was asked; empty when it is as it should be."""
    coding = next((value for name, value in headers if name == b"content-encoding"), b"")
    return "" if coding.lower() == b"identity" else coding[:32].decode("latin-1")


def _unescaped(body: bytes) -> str:
    """JSON without the escapes that its writer chose: a secret may stand there in other letters."""
    try:
        return msgspec.json.encode(msgspec.json.decode(body)).decode()
    except (msgspec.DecodeError, RecursionError):
        return ""
