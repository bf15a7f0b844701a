"""Contract: the snapshot's part about tasks, calls that are left here to be made later."""

from __future__ import annotations

import msgspec


class WebhookRules(msgspec.Struct, frozen=True, kw_only=True):
    """How the ends of tasks are told to those who left them."""

    secrets: tuple[str, ...]
    """References; every one signs, so that receivers may go over from one to the next."""
    attempts: int = 10
    """Times that an end is told at most."""
    timeout: float = 10.0
    """Seconds that a receiver may take."""
    allow: tuple[str, ...] = ()
    """Networks that are not public and may be told all the same, also without TLS."""


class TaskRules(msgspec.Struct, frozen=True, kw_only=True):
    """How tasks are kept and run."""

    concurrency: int = 8
    """Tasks that run at once."""
    queue: int = 1000
    """Tasks of one tenant that wait or run."""
    max_body: int = 1 << 20
    """Bytes."""
    max_answer: int = 8 << 20
    """Bytes."""
    deadline: float = 86_400.0
    """Seconds that a task may wait and run in all."""
    keep: float = 604_800.0
    """Seconds that a task is kept after its end."""
    webhook: WebhookRules | None = None
    """None: nobody is told."""
