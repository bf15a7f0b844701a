"""Ports: a place where things run, as a deploy sees it; what stands behind them may be a host, a cluster or a cloud."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec

from modelwright.core.deploying.journal import Entry
from modelwright.core.deploying.observed import Observed, Served
from modelwright.core.deploying.steps import Step
from modelwright.core.experiments.observations import Observation


class Observer(Protocol):
    """Looks."""

    async def observe(self) -> Observed:
        """Everything of this project and environment, at one moment; raises TargetUnreachable."""
        ...

    async def history(self) -> Sequence[Served]:
        """Which releases became current, newest first; at least the last 1,000."""
        ...


class Contents(Protocol):
    """What whoever deploys brings along: files, secrets and weights by digest, images by reference."""

    def read(self, digest: str) -> AsyncIterator[bytes]:
        """In pieces; raises StepFailed when it is not here."""
        ...


class Hands(Protocol):
    """Does steps; every verb may be repeated, and raises StepFailed with the place and the remedy.

    A verb that is cancelled has stopped what it did when it lets go. Watch is none of the steps: whoever carries out
    the plan asks a Watcher.
    """

    async def holds(self, step: Step) -> bool:
        """Whether it is done."""
        ...

    async def do(self, step: Step) -> None:
        """Make it so; returns when it is."""
        ...

    async def undo(self, step: Step) -> None:
        """Make it as it was before; of what cannot be, or need not be, nothing."""
        ...


class Journal(Protocol):
    """The target's own memory of what is being done to it."""

    async def entries(self) -> Sequence[Entry]:
        """Of the plan that was begun last, in order; none before the first."""
        ...

    async def append(self, entry: Entry) -> None:
        """It is safe when this returns. Raises LeaseLost when a later owner has written."""
        ...


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """The right to change a project's environment, for a time."""

    owner: str
    epoch: int
    """One more than that of any owner before."""
    until: float
    """Unix seconds by the target's clock."""
    lasts: float = 30.0
    """Seconds from when it was taken or renewed; whoever holds it renews it well before, by whatever clock he has."""


class Leases(Protocol):
    """Who may change a project's environment: one at a time, and nobody for longer than he lives."""

    async def take(self, owner: str) -> Lease:
        """Raises LeaseHeld, which names the owner and says until when, while another one's has not run out."""
        ...

    async def renew(self, lease: Lease) -> Lease:
        """Raises LeaseLost."""
        ...

    async def leave(self, lease: Lease) -> None:
        """Harmless when it has run out."""
        ...


class Watcher(Protocol):
    """Counts how calls end that releases have answered."""

    async def seen(self) -> Sequence[Observation]:
        """One for each release that answers, named as its `variant`, since a fixed time before; counts only go up."""
        ...


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One project's environment in one place."""

    observer: Observer
    hands: Hands
    journal: Journal
    leases: Leases
    watcher: Watcher | None = None
    """None where nobody counts: a release on trial has no data there."""
