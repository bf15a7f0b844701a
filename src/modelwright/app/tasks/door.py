"""Control's way in for gateway workers that ask about tasks, on its Unix socket alone; it decides nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from modelwright.app.tasks.desk import TaskDesk
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.tasks import TasksUnavailable
from modelwright.core.errors.tree import ModelwrightError
from modelwright.core.tasks.talk import Question, refusal
from modelwright.core.wire.status import status_of

ROOM = 1 << 20
"""Bytes of a question beside the body in it."""

AT_ONCE = 8
"""Questions that are answered at once: an answer may hold a task's whole answer, and everybody asks one process."""

_decoder = msgspec.json.Decoder(Question)
log = logging.getLogger("modelwright.tasks")


class TaskDoor:
    """An ASGI application for one path."""

    def __init__(self, desk: TaskDesk) -> None:
        self._desk = desk
        self._places = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async with self._places:
            await self._answer(receive, send)

    async def _answer(self, receive: Any, send: Any) -> None:
        try:
            status, content = 200, await self._desk.answer(_decoder.decode(await self._read(receive)))
        except CallError as error:
            status, content = status_of(error), msgspec.json.encode(refusal(error))
        except (SQLAlchemyError, ModelwrightError, OSError) as error:
            log.warning("tasks cannot be kept or shown now: %s", getattr(error, "orig", None) or error)
            away = TasksUnavailable("tasks cannot be kept or shown now", hint="send again", retry_after=2.0)
            status, content = status_of(away), msgspec.json.encode(refusal(away))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": True})
        await send({"type": "http.response.body"})  # waits until the answer has left

    async def _read(self, receive: Any) -> bytes:
        rules = self._desk.rules
        limit = ROOM + (2 * rules.max_body if rules is not None else 0)
        pieces: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise TasksUnavailable("whoever asked has left")
            pieces.append(message["body"])
            size, more = size + len(pieces[-1]), bool(message.get("more_body"))
            if size > limit:
                raise TasksUnavailable("a question is too long")
        return b"".join(pieces)
