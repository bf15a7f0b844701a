"""The private socket's way in for the calls of tasks: each at most once at a time; whose call it is comes along."""

from __future__ import annotations

from typing import Any

from modelwright.core.tasks.talk import BUSY, RUN
from modelwright.gateway.http.door import Door


class TaskRuns:
    """One per worker. A task whose call goes on is not begun again, whoever has forgotten the first one meanwhile."""

    def __init__(self, door: Door) -> None:
        """`door` is a private one."""
        self._door = door
        self._running: set[str] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer `POST /tasks/{id}/v1/chat/completions` as the path after the id would be; 409 while that goes on."""
        task, _, path = scope["path"].removeprefix(RUN).partition("/")
        if task in self._running:
            headers = [(BUSY, b"1"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 409, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        self._running.add(task)
        try:
            await self._door({**scope, "path": f"/{path}"}, receive, send)
        finally:
            self._running.discard(task)
