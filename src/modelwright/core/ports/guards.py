"""Port: an endpoint's guard; it looks at what goes to a model and at what comes back, and may change or stop it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from modelwright.core.contracts.guard import EndpointGuard


class Ask(Protocol):
    """Asks the judge of a side (input | output) for the call that is looked at."""

    async def __call__(self, side: str, body: bytes) -> tuple[bytes, float]:
        """The whole answer to such a body, and the milliseconds that it took; raises CallError when there is none."""
        ...


class Watch(Protocol):
    """The guard's eye on one call. Whatever it raises besides CallError is a failure of its own."""

    verdicts: dict[str, str]
    """What was found and done, such as `{"input.card": "mask:2"}`; never a text."""
    looks_back: bool
    """Whether it wants to see the answer."""
    weighs: bool
    """Whether a stream's events must also pass `weighed`."""

    async def question(self, body: bytes) -> bytes:
        """The request as it may go on; raises GuardBlocked, or Malformed."""
        ...

    def told(self, system: Callable[[], str]) -> None:
        """Before the answer is looked at: what the model was told as its system, beside the request's own words."""
        ...

    async def answer(self, body: bytes) -> bytes:
        """A whole answer as the client may have it; raises GuardBlocked."""
        ...

    def events(self, events: bytes) -> bytes:
        """What may leave now, after these whole events of a stream; raises GuardBlocked."""
        ...

    async def weighed(self, events: bytes, *, last: bool) -> bytes:
        """Of what `events` let through, what may leave now: a judge was asked; raises GuardBlocked or GuardFailed."""
        ...

    def unjudged(self, events: bytes) -> bytes:
        """After `events` has failed on these: what was still held, and of these what has not left, as it came."""
        ...

    def stopped(self) -> bytes:
        """Events that end the choices of a stream which was blocked; the error comes after them."""
        ...


class Guard(Protocol):
    """What is to be looked at, of one endpoint."""

    fails_open: bool
    """Calls go on when the guard itself fails."""

    def watch(self, operation: str, ask: Ask) -> Watch:
        """For one call, of chat | completions | embeddings | messages | responses."""
        ...


MakeGuard: TypeAlias = Callable[[EndpointGuard], Guard]
"""Raises ModelwrightError when the rules cannot be used."""
