"""Tasks over SQL: a task is one row that is replaced only by its next revision; its bodies are kept apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, func, insert, select, update

from modelwright.adapters.stores.database import Database
from modelwright.adapters.stores.tables import task_contents, tasks
from modelwright.core.errors.calls import Overloaded
from modelwright.core.tasks.store import Wanted
from modelwright.core.tasks.task import ENDED, QUEUED, RUNNING, Task

BODY, ANSWER = "body", "answer"
_LIVE = (QUEUED, RUNNING)
_decoder = msgspec.json.Decoder(Task)


class SqlTasks:
    """TaskStore and TaskQueue."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, task: Task, body: bytes, *, most: int) -> Task:
        same = select(tasks.c.task).where(
            tasks.c.tenant == task.tenant, tasks.c.owner == task.owner, tasks.c.idempotency == task.idempotency
        )
        live = select(func.count()).select_from(tasks).where(tasks.c.tenant == task.tenant, tasks.c.status.in_(_LIVE))
        async with self._database.alone("tasks") as connection:
            if task.idempotency and (known := await connection.scalar(same)) is not None:
                return _decoder.decode(known)
            if (await connection.scalar(live) or 0) >= most:
                raise full(task.tenant, most)
            await connection.execute(insert(tasks).values(id=task.id, **_columns(task)))
            await connection.execute(insert(task_contents).values(task=task.id, part=BODY, content=body))
        return task

    async def find(self, task_id: str) -> Task | None:
        wanted = select(tasks.c.task).where(tasks.c.id == task_id)
        async with self._database.reader.connect() as connection:
            found: bytes | None = await connection.scalar(wanted)
        return None if found is None else _decoder.decode(found)

    async def newest(self, wanted: Wanted, *, most: int) -> Sequence[Task]:
        query = select(tasks.c.task).order_by(tasks.c.id.desc()).limit(most)
        if wanted.owners is not None:
            query = query.where(tasks.c.owner.in_(wanted.owners))
        for column in ("tenant", "status"):
            value = getattr(wanted, column)
            if value is not None:
                query = query.where(tasks.c[column] == value)
        if wanted.after:
            query = query.where(tasks.c.id < wanted.after)
        async with self._database.reader.connect() as connection:
            return [_decoder.decode(found) for found in await connection.scalars(query)]

    async def content(self, task_id: str) -> tuple[bytes, bytes]:
        wanted = select(task_contents.c.part, task_contents.c.content).where(task_contents.c.task == task_id)
        async with self._database.reader.connect() as connection:
            found = {part: bytes(content) for part, content in await connection.execute(wanted)}
        return found.get(BODY, b""), found.get(ANSWER, b"")

    async def due(self, statuses: Sequence[str], *, now: float, most: int) -> Sequence[Task]:
        turn = func.row_number().over(partition_by=tasks.c.tenant, order_by=(tasks.c.due, tasks.c.id)).label("turn")
        is_due = (tasks.c.due <= now) | (tasks.c.status == RUNNING)
        waiting = select(tasks.c.task, tasks.c.id, turn).where(tasks.c.status.in_(statuses), is_due).subquery()
        wanted = select(waiting.c.task).order_by(waiting.c.turn, waiting.c.id).limit(most)
        async with self._database.reader.connect() as connection:
            return [_decoder.decode(found) for found in await connection.scalars(wanted)]

    async def replace(self, task: Task, *, body: bytes = b"") -> bool:
        before = (tasks.c.id == task.id) & (tasks.c.revision == task.revision - 1)
        async with self._database.writer.begin() as connection:
            changed = await connection.execute(update(tasks).where(before).values(**_columns(task)))
            if changed.rowcount and task.status in ENDED:
                asked = (task_contents.c.task == task.id) & (task_contents.c.part == BODY)
                await connection.execute(delete(task_contents).where(asked))
            if changed.rowcount and body:
                old = (task_contents.c.task == task.id) & (task_contents.c.part == ANSWER)
                await connection.execute(delete(task_contents).where(old))
                await connection.execute(insert(task_contents).values(task=task.id, part=ANSWER, content=body))
        return bool(changed.rowcount)

    async def purge(self, *, before: float, most: int) -> int:
        old = select(tasks.c.id).where(tasks.c.ended < before, tasks.c.due.is_(None)).limit(most)
        async with self._database.writer.begin() as connection:
            gone = list(await connection.scalars(old))
            if gone:
                await connection.execute(delete(task_contents).where(task_contents.c.task.in_(gone)))
                await connection.execute(delete(tasks).where(tasks.c.id.in_(gone)))
        return len(gone)

    async def counts(self) -> Mapping[str, int]:
        wanted = select(tasks.c.status, func.count()).where(tasks.c.status.in_(_LIVE)).group_by(tasks.c.status)
        async with self._database.reader.connect() as connection:
            found = {status: int(count) for status, count in await connection.execute(wanted)}
        return {status: found.get(status, 0) for status in _LIVE}


def full(tenant: str, most: int) -> Overloaded:
    """The error of a tenant with too many."""
    return Overloaded(
        f"{most} tasks of the tenant {tenant} wait or run already",
        hint="leave more when some have ended, or raise tasks.queue",
        retry_after=5.0,
    )


def _columns(task: Task) -> dict[str, Any]:
    names = ("tenant", "owner", "status", "revision", "due", "ended", "idempotency")
    return {**{name: getattr(task, name) for name in names}, "task": msgspec.json.encode(task)}
