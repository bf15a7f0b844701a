"""A task and what belongs to it, as values: who left it, what it asks, how far it has come; it decides nothing."""

from __future__ import annotations

from typing import Literal

import msgspec

from modelwright.core.identity import Caller

QUEUED = "queued"
RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
CANCELLED = "cancelled"
EXPIRED = "expired"
ENDED = (SUCCEEDED, FAILED, CANCELLED, EXPIRED)
STATUSES = (QUEUED, RUNNING, *ENDED)

PENDING = "pending"
"""Of a webhook: it is still to be told."""
Told = Literal["", "pending", "delivered", "failed"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who left a task: enough to know them again when it runs, nothing that opens a door for anybody else."""

    caller: Caller
    """As they were known when they left it."""
    digest: str = ""
    """Of their API key, as the store of keys has it; empty for a token and for nobody in particular."""
    address: str = ""
    """From which they came."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the call was answered; its body is kept aside."""

    status: int
    content_type: str = ""
    retry_after: float | None = None
    code: str = ""
    """Of an error: the one in its body, where it says one."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to tell of the end, and how far that has come."""

    url: str
    told: Told = ""
    attempts: int = 0
    problem: str = ""
    """Why the last attempt came to nothing."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One task; every change makes a new value with the next revision. Times are Unix seconds."""

    id: str
    """`task_` and a UUIDv7: in order of ids is in order of time."""
    principal: Principal
    url: str
    """Path of the call, such as /v1/chat/completions."""
    endpoint: str
    """Whom it asks for: the body's `model`, or the path's."""
    headers: dict[str, str] = {}
    """Of the request that left it: those that a call understands."""
    custom_id: str = ""
    metadata: dict[str, str] = {}
    idempotency: str = ""
    """The key under which its sender would send it again."""
    fingerprint: str = ""
    """Of what was sent under that key."""
    status: str = QUEUED
    revision: int = 0
    created: float
    expires: float
    """Until when it may wait and run."""
    due: float | None = None
    """When something is to be done: it is to run, or its end to be told; None: nothing is, or it runs."""
    started: float | None = None
    """When it was last begun."""
    ended: float | None = None
    attempts: int = 0
    losses: int = 0
    """Attempts that broke off without an answer."""
    calls: tuple[str, ...] = ()
    """Ids of its newest calls, as the ledger has them."""
    worker: str = ""
    """Who makes its call, or made the last one, when nobody knows how that ended."""
    host: str = ""
    """Whose worker, where several hosts share a database."""
    answer: Answer | None = None
    error: str = ""
    """Why it ended without success, in a word."""
    problem: str = ""
    """Likewise, in a sentence."""
    webhook: Webhook | None = None

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.principal.caller.tenant

    @property
    def owner(self) -> str:
        """Of the tenant's callers the one whose it is."""
        return self.principal.caller.id
