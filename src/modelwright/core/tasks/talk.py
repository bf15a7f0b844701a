"""What a gateway worker asks control about tasks, and what it is told: values on control's own Unix socket."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from modelwright.core.errors.calls import CallError, Overloaded, Unprocessable
from modelwright.core.errors.tasks import TaskConflict, TasksUnavailable, UnknownTask
from modelwright.core.tasks.task import Principal
from modelwright.core.tasks.wish import Wish

PATH = "/internal/tasks"
"""On control's Unix socket."""
RUN = "/tasks/"
"""On a gateway worker's own Unix socket: `/tasks/{id}` and then the path of the call."""
PRINCIPAL = b"x-modelwright-principal"
"""There alone: whose call it is, as JSON in base64."""
CALL = b"x-modelwright-run"
"""There alone: the id under which the ledger shall have it."""

BUSY = b"x-modelwright-busy"
"""There alone, with the status 409: a call of this task goes on, and no other was made."""


class Leave(msgspec.Struct, frozen=True, kw_only=True, tag="leave"):
    """Keep a task."""

    principal: Principal
    wish: Wish
    endpoint: str
    headers: dict[str, str]
    idempotency: str
    fingerprint: str


class Look(msgspec.Struct, frozen=True, kw_only=True, tag="look"):
    """Show one with its answer."""

    principal: Principal
    task: str


class Browse(msgspec.Struct, frozen=True, kw_only=True, tag="browse"):
    """List the caller's own."""

    principal: Principal
    most: int
    after: str = ""
    status: str = ""


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag="cancel"):
    """Do not run it, or not to its end."""

    principal: Principal
    task: str


Question: TypeAlias = Leave | Look | Browse | Cancel


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why control does not do it; a CallError as a value."""

    code: str
    message: str
    hint: str = ""
    param: str | None = None
    retry_after: float | None = None


_KINDS: dict[str, type[CallError]] = {
    kind.code: kind for kind in (Overloaded, TaskConflict, TasksUnavailable, UnknownTask, Unprocessable)
}


def refusal(error: CallError) -> Refusal:
    """An error as a value."""
    return Refusal(
        code=error.code, message=error.message, hint=error.hint, param=error.param, retry_after=error.retry_after
    )


def raised(refused: Refusal) -> CallError:
    """The error again; what is not of tasks is control's own trouble."""
    kind = _KINDS.get(refused.code, TasksUnavailable)
    return kind(refused.message, hint=refused.hint, param=refused.param, retry_after=refused.retry_after)
