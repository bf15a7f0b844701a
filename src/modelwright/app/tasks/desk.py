"""The verbs on tasks: leave, look, browse, cancel; everybody finds their own alone, the operator all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from modelwright.core.contracts.events import Event, TaskChanged
from modelwright.core.contracts.tasks import TaskRules
from modelwright.core.errors.tasks import TaskConflict, TasksUnavailable, UnknownTask
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.stores import KeyStore
from modelwright.core.tasks import rules
from modelwright.core.tasks.store import TaskQueue, TaskStore, Wanted
from modelwright.core.tasks.talk import Browse, Cancel, Leave, Look, Question
from modelwright.core.tasks.task import ENDED, Principal, Task, Webhook
from modelwright.core.tasks.view import task_list, task_object
from modelwright.core.tasks.wish import window

_TRIES = 5
"""A task may change while somebody cancels it; not often."""

Tell = Callable[[Task], None]


class TaskDesk:
    """Raises UnknownTask, TaskConflict, Overloaded and TasksUnavailable, and what the database raises."""

    def __init__(
        self,
        store: TaskStore,
        queue: TaskQueue,
        *,
        clock: Clock,
        keys: KeyStore,
        ids: Callable[[], str],
        changed: Tell,
    ) -> None:
        """`ids` makes UUIDv7s; `changed` hears of every change that is made here."""
        self.rules: TaskRules | None = None
        """As the manifest has them now."""
        self._store = store
        self._queue = queue
        self._keys = keys
        self._now = clock.now
        self._ids = ids
        self._changed = changed

    async def answer(self, question: Question) -> bytes:
        """JSON for whoever asked at the public door."""
        match question:
            case Leave():
                return msgspec.json.encode(task_object(await self._leave(question)))
            case Look():
                return msgspec.json.encode(await self.shown(await self._own(question.task, question.principal)))
            case Browse():
                principal = question.principal
                wanted = Wanted(
                    tenant=principal.caller.tenant,
                    owners=await self._owners(principal),
                    status=question.status or None,
                    after=question.after,
                )
                return msgspec.json.encode(await self.listed(wanted, most=question.most))
            case Cancel():
                await self._own(question.task, question.principal)
                return msgspec.json.encode(await self.shown(await self.cancel(question.task)))

    async def shown(self, task: Task) -> object:
        """With the answer."""
        _, answer = await self._store.content(task.id) if task.answer is not None else (b"", b"")
        return task_object(task, answer=answer)

    async def listed(self, wanted: Wanted, *, most: int) -> object:
        """A page, the newest first."""
        found: Sequence[Task] = await self._store.newest(wanted, most=most + 1)
        return task_list(list(found[:most]), more=len(found) > most)

    async def find(self, task_id: str) -> Task:
        """Anybody's."""
        return _known(await self._store.find(task_id), task_id)

    async def cancel(self, task_id: str) -> Task:
        """Anybody's; one that has ended stays as it is."""
        for _ in range(_TRIES):
            task = _known(await self._store.find(task_id), task_id)
            if task.status in ENDED:
                return task
            cancelled = rules.cancelled(task, now=self._now())
            if await self._queue.replace(cancelled):
                self._changed(cancelled)
                return cancelled
        raise TasksUnavailable("the task changes all the time", hint="send again", retry_after=1.0)

    async def _own(self, task_id: str, principal: Principal) -> Task:
        """Somebody else's is not there for them."""
        task, caller = await self._store.find(task_id), principal.caller
        if task is not None and task.owner != caller.id and task.owner not in await self._owners(principal):
            task = None
        if task is not None and task.tenant != caller.tenant:
            task = None
        return _known(task, task_id)

    async def _owners(self, principal: Principal) -> tuple[str, ...]:
        """The caller, and the keys in whose place their own has come by rotations, which bear the same name."""
        caller = principal.caller
        owners = [caller.id]
        if principal.digest:
            named = {row.key.name for row in await self._keys.list(caller.id) if row.key.id == caller.id}
            rows = [row for name in named for row in await self._keys.list(name) if row.key.tenant == caller.tenant]
            for owner in owners:
                owners += [row.key.id for row in rows if row.successor == owner and row.key.id not in owners]
        return tuple(owners)

    async def _leave(self, asked: Leave) -> Task:
        known = self.rules
        if known is None:
            raise TasksUnavailable("the manifest names no tasks", hint="add a section `tasks`", retry_after=5.0)
        now, wish = self._now(), asked.wish
        task = Task(
            id=f"task_{self._ids()}",
            principal=asked.principal,
            url=wish.url,
            endpoint=asked.endpoint,
            headers=asked.headers,
            custom_id=wish.custom_id,
            metadata=wish.metadata,
            idempotency=asked.idempotency,
            fingerprint=asked.fingerprint,
            created=now,
            expires=now + window(wish, known.deadline),
            due=now,
            webhook=Webhook(url=wish.webhook) if wish.webhook else None,
        )
        kept = await self._store.add(task, bytes(wish.body), most=known.queue)
        if kept.fingerprint != task.fingerprint:
            raise TaskConflict(
                "another task was left under this idempotency key",
                hint="send what was sent then, or choose another key",
                param="idempotency-key",
            )
        if kept.id == task.id:
            self._changed(task)
        return kept


def told_of(task: Task, now: float) -> Event:
    """A change as an event."""
    return TaskChanged(
        at=now,
        task=task.id,
        tenant=task.tenant,
        key=task.owner,
        endpoint=task.endpoint,
        status=task.status,
        attempts=task.attempts,
        call=task.calls[-1] if task.calls else "",
        error=task.error,
    )


def _known(task: Task | None, task_id: str) -> Task:
    if task is None:
        raise UnknownTask(f"there is no task {task_id!r}", hint="see GET /v1/tasks for yours")
    return task
