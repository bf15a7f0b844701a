"""In which form a call is asked of a provider and answered to its client: as it is, or translated by way of chat."""

from __future__ import annotations

from typing import Any, Protocol

from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import ProviderError
from modelwright.core.ports.providers import AnswerHead, Spoken
from modelwright.core.wire import anthropic, openai, responses
from modelwright.core.wire.between import (
    as_messages,
    as_responses,
    chat,
    chat_to_messages,
    from_messages,
    messages_to_chat,
    responses_to_chat,
)
from modelwright.core.wire.between.chat import Answer, Facts
from modelwright.core.wire.sse import DONE, event_bytes, event_data

TRANSLATED = ("chat", "messages", "responses")
"""Whoever answers one of these operations can answer all of them."""


def answerable(native: tuple[str, ...]) -> tuple[str, ...]:
    """What can be answered by whoever speaks these operations, translations included."""
    if not set(native) & set(TRANSLATED):
        return native
    return ("chat", *(name for name in native if name not in TRANSLATED), "messages", "responses")


class Form:
    """One call between its client's wire and its provider's."""

    def __init__(self, operation: str, spoken: Spoken, facts: Facts) -> None:
        self.upstream = spoken.operation
        self._client = operation
        self._spoken = spoken
        self._facts = facts
        self._request = b""
        """What a response repeats of its request …"""
        self._own = b""
        """… but its instructions, where a prompt went before them."""

    @property
    def native(self) -> bool:
        """Nothing has to be translated."""
        return self.upstream == self._client

    def request(self, body: bytes, *, own: bytes = b"") -> bytes:
        """The body to send; raises Malformed or Unprocessable that names the field.

        `own` is what the client itself has sent, where a prompt went before it.
        """
        limit = self._spoken.limit_field
        match self._client, self.upstream:
            case "chat", "messages":
                return chat_to_messages.translate(body, max_tokens=self._spoken.max_tokens)
            case "messages", "chat":
                return messages_to_chat.translate(body, limit_field=limit)
            case "responses", "responses":
                return responses.unstored(body)
            case "responses", upstream:
                self._request, self._own = body, own
                asked = responses_to_chat.translate(body, limit_field=limit)
                if upstream == "chat":
                    return asked
                return chat_to_messages.translate(asked, max_tokens=self._spoken.max_tokens)
            case _:
                return body

    def answer(self, body: bytes) -> tuple[bytes, AnswerHead]:
        """A whole answer for the client, and what it tells; raises ProviderError when it cannot be one."""
        told = _READ[self.upstream](body)
        if told is None:
            raise ProviderError("the answer is no JSON object", hint="is the provider's base_url right?")
        if self.native or told.error is not None:
            return body, told
        answer = from_messages.read(body) if self.upstream == "messages" else _chat(body, told)
        match self._client:
            case "messages":
                return as_messages.encode(answer, self._facts), told
            case "responses":
                return as_responses.encode(answer, self._facts, self._echo()), told
            case _:
                return chat.encode_answer(answer, self._facts), told

    def refusal(self, status: int, body: bytes) -> bytes:
        """The vendor's own words about a request that it refuses, in the client's envelope."""
        theirs, ours = self.upstream == "messages", self._client == "messages"
        if theirs == ours:
            return body
        message = (anthropic if theirs else openai).error_message(body) or f"the provider answered {status}"
        return (anthropic if ours else openai).envelope(status, message)

    def stream(self) -> Events:
        """For the events of one streamed answer."""
        if self.native:
            return NativeEvents(self._client)
        source = _MessagesSource() if self.upstream == "messages" else _ChatSource()
        match self._client:
            case "messages":
                return TranslatedEvents(source, _MessagesWriter(self._facts))
            case "responses":
                return TranslatedEvents(source, _ResponsesWriter(self._facts, self._echo()))
            case _:
                return TranslatedEvents(source, _ChatWriter(self._facts))

    def _echo(self) -> dict[str, Any]:
        echoed = as_responses.echo(self._request)
        return {**echoed, "instructions": as_responses.echo(self._own)["instructions"]} if self._own else echoed


class Events(Protocol):
    """The events of one stream, read and turned into what the client gets."""

    done: bool
    """The end mark has come."""

    def read(self, event: bytes) -> tuple[bytes, AnswerHead]:
        """What the client gets for one event, and what it tells; raises ProviderError when it cannot be read."""
        ...

    def failure(self, error: CallError) -> bytes:
        """The event that ends a stream which has failed."""
        ...


class NativeEvents:
    """Passes events as they are."""

    def __init__(self, operation: str) -> None:
        self._messages = operation == "messages"
        self._heads = anthropic.EventHeads() if self._messages else responses.EventHeads()
        self._count = 0
        self.done = False

    def read(self, event: bytes) -> tuple[bytes, AnswerHead]:
        data = event_data(event)
        if not data:
            return event, _NOTHING
        told = self._heads.read(data)
        self._count += told.error is None
        self.done = self._heads.done
        return event, told

    def failure(self, error: CallError) -> bytes:
        return anthropic.error_event(error) if self._messages else responses.error_event(error, self._count)


class TranslatedEvents:
    """Reads one wire and writes another."""

    def __init__(self, source: _Source, writer: _Writer) -> None:
        self._source = source
        self._writer = writer
        self.done = False

    def read(self, event: bytes) -> tuple[bytes, AnswerHead]:
        data = event_data(event)
        if not data:
            return (event if event[:1] == b":" else b""), _NOTHING
        chunks, told = self._source.read(data)
        out = b"".join([self._writer.write(chunk) for chunk in chunks])
        if self._source.done:
            self.done = True
            out += self._writer.end()
        return out, told

    def failure(self, error: CallError) -> bytes:
        return self._writer.failure(error)


class _Source(Protocol):
    done: bool

    def read(self, data: bytes) -> tuple[list[Answer], AnswerHead]: ...


class _ChatSource:
    def __init__(self) -> None:
        self.done = False

    def read(self, data: bytes) -> tuple[list[Answer], AnswerHead]:
        if data == DONE:
            self.done = True
            return [], _NOTHING
        told = openai.read_event(data)
        return ([] if told.error is not None else [_chat(data, told)]), told


def _chat(data: bytes, told: AnswerHead) -> Answer:
    """A chat answer or chunk with its counts, wherever its vendor puts them."""
    answer = chat.read(data)
    answer.usage = chat.counts_of(told.usage) if told.usage is not None else None
    return answer


class _MessagesSource:
    def __init__(self) -> None:
        self._heads = anthropic.EventHeads()
        self._reader = from_messages.EventReader()
        self.done = False

    def read(self, data: bytes) -> tuple[list[Answer], AnswerHead]:
        told = self._heads.read(data)
        if told.error is not None:
            return [], told
        chunks = self._reader.read(data)
        if self._heads.done:
            self.done = True
            chunks.append(self._reader.usage(self._heads.counts))
        return chunks, told


class _Writer(Protocol):
    def write(self, chunk: Answer) -> bytes: ...
    def end(self) -> bytes: ...
    def failure(self, error: CallError) -> bytes: ...


class _ChatWriter:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def write(self, chunk: Answer) -> bytes:
        if not chunk.choices and not self._facts.usage_chunk:
            return b""
        return event_bytes(chat.encode_chunk(chunk, self._facts))

    def end(self) -> bytes:
        return event_bytes(DONE)

    def failure(self, error: CallError) -> bytes:
        return event_bytes(openai.error_body(error))


class _MessagesWriter(as_messages.EventWriter):
    def failure(self, error: CallError) -> bytes:
        return anthropic.error_event(error)


class _ResponsesWriter(as_responses.EventWriter):
    def failure(self, error: CallError) -> bytes:
        return responses.error_event(error, self.number)


_NOTHING = AnswerHead()
_READ = {"chat": openai.read_answer, "messages": anthropic.read_answer, "responses": responses.read_answer}
