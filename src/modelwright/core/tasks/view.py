"""A task as its owner and the operator see it: the JSON of the public door and of webhooks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from modelwright.core.tasks.task import ENDED, Task


def task_object(task: Task, *, answer: bytes | None = None) -> dict[str, Any]:
    """`response` has the shape of a line of OpenAI's batch results; its body is there when `answer` is given."""
    webhook = task.webhook
    return {
        "id": task.id,
        "object": "task",
        "status": task.status,
        "method": "POST",
        "url": task.url,
        "endpoint": task.endpoint,
        "custom_id": task.custom_id or None,
        "metadata": task.metadata,
        "created_at": _seconds(task.created),
        "started_at": _seconds(task.started),
        "ended_at": _seconds(task.ended),
        "expires_at": _seconds(task.expires),
        "next_attempt_at": _seconds(task.due) if task.status not in ENDED else None,
        "attempts": task.attempts,
        "calls": task.calls,
        "response": _response(task, answer),
        "error": {"code": task.error, "message": task.problem} if task.error else None,
        "webhook": None
        if webhook is None
        else {"url": webhook.url, "status": webhook.told or None, "attempts": webhook.attempts}
        | ({"problem": webhook.problem} if webhook.problem else {}),
    }


def task_list(tasks: list[Task], *, more: bool) -> dict[str, Any]:
    """A page in the shape of OpenAI's lists; no answers."""
    data = [task_object(task) for task in tasks]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": more,
    }


def end_event(task: Task) -> bytes:
    """The body of a webhook: what has happened, and the task without its answer, which is nobody's on the way."""
    at = datetime.fromtimestamp(task.ended or 0.0, UTC).isoformat(timespec="milliseconds")
    event = {"type": f"task.{task.status}", "timestamp": at, "data": task_object(task)}
    return msgspec.json.encode(event)


def _response(task: Task, answer: bytes | None) -> dict[str, Any] | None:
    if task.answer is None or task.status not in ENDED:
        return None
    known: dict[str, Any] = {
        "status_code": task.answer.status,
        "request_id": task.calls[-1] if task.calls else None,
    }
    return known if answer is None else {**known, "body": _embedded(answer)}


def _seconds(at: float | None) -> float | None:
    return None if at is None else round(at, 3)


def _embedded(answer: bytes) -> Any:
    """JSON as it is, anything else as a text."""
    try:
        msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return answer.decode(errors="replace")
    return msgspec.Raw(answer)
