"""The fake of the store of tasks: in memory, gone with the process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from modelwright.core.errors.calls import Overloaded
from modelwright.core.tasks.store import Wanted
from modelwright.core.tasks.task import ENDED, QUEUED, RUNNING, Task


class MemoryTasks:
    """TaskStore and TaskQueue."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._contents: dict[str, tuple[bytes, bytes]] = {}

    async def add(self, task: Task, body: bytes, *, most: int) -> Task:
        for known in self._tasks.values():
            if task.idempotency and _sender(known) == _sender(task):
                return known
        live = [known for known in self._tasks.values() if known.tenant == task.tenant and _lives(known)]
        if len(live) >= most:
            problem = f"{most} tasks of the tenant {task.tenant} wait or run already"
            raise Overloaded(problem, hint="leave more when some have ended, or raise tasks.queue", retry_after=5.0)
        self._tasks[task.id] = task
        self._contents[task.id] = (body, b"")
        return task

    async def find(self, task_id: str) -> Task | None:
        return self._tasks.get(task_id)

    async def newest(self, wanted: Wanted, *, most: int) -> Sequence[Task]:
        found = sorted(self._tasks.values(), key=lambda task: task.id, reverse=True)
        return [task for task in found if _fits(task, wanted)][:most]

    async def content(self, task_id: str) -> tuple[bytes, bytes]:
        return self._contents.get(task_id, (b"", b""))

    async def due(self, statuses: Sequence[str], *, now: float, most: int) -> Sequence[Task]:
        turns: Counter[str] = Counter()
        found: list[tuple[int, str]] = []
        for task in sorted(self._tasks.values(), key=lambda task: (task.due or 0.0, task.id)):
            if task.status in statuses and (task.status == RUNNING or (task.due is not None and task.due <= now)):
                turns[task.tenant] += 1
                found.append((turns[task.tenant], task.id))
        return [self._tasks[name] for _, name in sorted(found)[:most]]

    async def replace(self, task: Task, *, body: bytes = b"") -> bool:
        known = self._tasks.get(task.id)
        if known is None or known.revision != task.revision - 1:
            return False
        self._tasks[task.id] = task
        asked, answer = self._contents[task.id]
        self._contents[task.id] = (b"" if task.status in ENDED else asked, body or answer)
        return True

    async def purge(self, *, before: float, most: int) -> int:
        gone = [
            task.id
            for task in self._tasks.values()
            if task.ended is not None and task.ended < before and task.due is None
        ][:most]
        for name in gone:
            del self._tasks[name], self._contents[name]
        return len(gone)

    async def counts(self) -> Mapping[str, int]:
        found = Counter(task.status for task in self._tasks.values())
        return {QUEUED: found[QUEUED], RUNNING: found[RUNNING]}


def _lives(task: Task) -> bool:
    return task.status in {QUEUED, RUNNING}


def _sender(task: Task) -> tuple[str, str, str]:
    return task.tenant, task.owner, task.idempotency


def _fits(task: Task, wanted: Wanted) -> bool:
    asked = {"tenant": wanted.tenant, "status": wanted.status}
    fits = all(value is None or getattr(task, name) == value for name, value in asked.items())
    fits = fits and (wanted.owners is None or task.owner in wanted.owners)
    return fits and (not wanted.after or task.id < wanted.after)
