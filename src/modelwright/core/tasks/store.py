"""Ports: where tasks are kept, for whoever leaves and looks, and for whoever runs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from modelwright.core.tasks.task import Task


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks a list shall hold; None: whichever."""

    tenant: str | None = None
    owners: tuple[str, ...] | None = None
    status: str | None = None
    after: str = ""
    """Only tasks that are older than this one."""


class TaskStore(Protocol):
    """Keeps tasks; one is safe from every death when `add` returns."""

    async def add(self, task: Task, body: bytes, *, most: int) -> Task:
        """Keep a new one; or give the one that its owner has left under the same idempotency key before.

        Raises Overloaded when `most` tasks of its tenant wait or run already.
        """
        ...

    async def find(self, task_id: str) -> Task | None:
        """One by its id."""
        ...

    async def newest(self, wanted: Wanted, *, most: int) -> Sequence[Task]:
        """The newest first."""
        ...

    async def content(self, task_id: str) -> tuple[bytes, bytes]:
        """Bodies of the call and of its answer; empty where there is none."""
        ...


class TaskQueue(Protocol):
    """The same tasks, for whoever runs them."""

    async def due(self, statuses: Sequence[str], *, now: float, most: int) -> Sequence[Task]:
        """Those of these statuses that something is to be done for; each tenant's first one before anybody's second.

        A task that runs is always due: whether it does is known to its runner.
        """
        ...

    async def replace(self, task: Task, *, body: bytes = b"") -> bool:
        """Keep the next revision of a task, with the answer's body; False when another one was quicker.

        What was asked is of no use after the end, and not kept longer.
        """
        ...

    async def purge(self, *, before: float, most: int) -> int:
        """Forget up to so many that ended before then and have nothing to be told; how many there were."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """How many wait and run, by status."""
        ...
