"""Port: who keeps what has been used of limits, so that all limits of a call are taken in one step or none is."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Protocol

from modelwright.core.limits import Ask, Spent, Used, Verdict


class Limiter(Protocol):
    """Counts for every call that it is asked about; calls are told apart by their id."""

    def reserve(self, call: str, asks: Sequence[Ask]) -> Verdict | Awaitable[Verdict]:
        """Take all that a call asks for, or nothing when one limit is in the way.

        One that keeps its counts elsewhere lets wait for the verdict, never longer than its deadline, and raises
        LimitsUnavailable when there is none. Who stops waiting has reserved nothing.
        """
        ...

    def restore(self, used: Sequence[Used]) -> None:
        """What was used before this keeper knew of anything; counts once, whatever is repeated."""
        ...

    def settle(self, call: str, spent: Spent | None) -> None:
        """The call has ended: what it did not use is given back, what it used beyond is taken; places are free.

        None: it was never made. Counts once per call, whatever is repeated; never raises and never blocks.
        """
        ...
