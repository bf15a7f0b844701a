"""Ends the work of a client that has left."""

from __future__ import annotations

import asyncio
from typing import Any

from modelwright.serving.door import Receive


async def cancel_when_gone(receive: Receive, task: asyncio.Task[Any] | None) -> None:
    """Cancel a task when the client of its request leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if task is not None:
        task.cancel()
