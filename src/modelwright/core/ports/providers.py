"""Port: a vendor's dialect; turns our call into its request and its answers into our values and errors, without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from modelwright.core.contracts.ledger import Usage
from modelwright.core.errors.calls import CallError
from modelwright.core.ports.http import Headers, UpstreamRequest


class Outbound(msgspec.Struct, frozen=True, kw_only=True):
    """What a dialect needs to know of a call."""

    operation: str
    """chat | completions | embeddings | messages | responses | infer | predict; of our own workers also metadata
    and ready (V2), schema and alive."""
    model: str
    """The provider's name of the model."""
    client_model: str = ""
    """The name in the client's body: when it equals `model` and no usage must be asked for, bytes pass untouched."""
    body: bytes = b""
    version: str = ""
    """Of a model, when a V2 path names one; already checked to be safe in a path."""
    stream: bool = False
    ask_usage: bool = False
    """A stream whose client did not ask for usage: it is asked for all the same."""
    api_key: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """End-to-end headers of the client that may pass (content-type, V2's binary header length, traceparent)."""


class AnswerHead(msgspec.Struct, frozen=True):
    """What an answer or one event of a stream tells, apart from its content."""

    usage: Usage | None = None
    error: str | None = None
    """The message of an error object that stands where an answer should."""
    error_status: int = 0
    """The HTTP status that this error object stands for."""
    choices: int = 0
    begins: bool = False
    """It carries more than a role: text, a tool call, a finish reason, anything that a client would act on."""


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """The operation that a vendor is asked for one of ours; where they differ, the call is translated."""

    operation: str
    max_tokens: int = 4096
    """The limit that is sent where the vendor wants one and the client sets none."""
    limit_field: str = "max_tokens"
    """The vendor's name of the limit in a translated chat request."""


class Dialect(Protocol):
    """One vendor's way of speaking."""

    @property
    def spoken(self) -> Mapping[str, Spoken]:
        """By operation: those whose answers are not the OpenAI wire's chat, completions or embeddings, passed on as
        they are; `request` gets the operation named there.
        """
        ...

    def request(self, call: Outbound) -> UpstreamRequest:
        """The vendor's request for this call; raises Unprocessable when it has no such operation."""
        ...

    def failure(self, status: int, headers: Headers, body: bytes) -> CallError | None:
        """Our error for an answer of 400 and above; None when the vendor's own error may pass to the client."""
        ...

    def answer(self, body: bytes) -> AnswerHead | None:
        """What a whole answer of 200 tells; None when it cannot be one of this vendor's answers."""
        ...

    def event(self, data: bytes) -> AnswerHead:
        """What the data of one stream event tells."""
        ...
