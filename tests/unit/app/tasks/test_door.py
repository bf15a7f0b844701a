"""Control answers few questions about tasks at once, each until it has left."""

import asyncio
from typing import Any, cast

import msgspec

from modelwright.app.tasks.desk import TaskDesk
from modelwright.app.tasks.door import AT_ONCE, TaskDoor
from modelwright.core.identity import Caller
from modelwright.core.tasks.talk import Look, Question
from modelwright.core.tasks.task import Principal

QUESTION = msgspec.json.encode(Look(principal=Principal(caller=Caller(id="abcdefgh")), task="task_a"))


class Desk:
    """Counts what it was asked; it has much to say."""

    rules = None
    asked = 0

    async def answer(self, question: Question) -> bytes:
        assert isinstance(question, Look)
        self.asked += 1
        return b"answer"


class Client:
    """Takes an answer when it likes."""

    def __init__(self) -> None:
        self.takes = asyncio.Event()
        self.body = b""

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": QUESTION}

    async def send(self, message: dict[str, Any]) -> None:
        """As a connection does: what follows waits until what was sent is taken."""
        if self.body:
            await self.takes.wait()
        self.body += message.get("body", b"")


async def test_who_asks_next_waits_until_an_answer_has_left() -> None:
    desk, clients = Desk(), [Client() for _ in range(AT_ONCE + 5)]
    door = TaskDoor(cast("TaskDesk", desk))
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(door({}, client.receive, client.send))
        for _ in range(100):
            await asyncio.sleep(0)
        assert desk.asked == AT_ONCE
        for client in clients:
            client.takes.set()
    assert desk.asked == len(clients)
    assert {client.body for client in clients} == {b"answer"}
