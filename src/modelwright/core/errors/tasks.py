"""Errors of tasks, calls that are left to be made later; each fails its request alone."""

from __future__ import annotations

from modelwright.core.errors.calls import CallError


class UnknownTask(CallError):
    """The caller has no such task."""

    code = "unknown_task"


class TaskConflict(CallError):
    """Another task was left under the same idempotency key."""

    code = "task_conflict"


class TasksUnavailable(CallError):
    """Tasks cannot be kept or shown now; calls go on."""

    code = "tasks_unavailable"
