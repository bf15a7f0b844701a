"""Puts tasks together in control: desk, door, runner and herald over one store; constructor calls, no rule."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from pathlib import Path
from typing import Any

from modelwright.adapters.http.pool import Pool
from modelwright.adapters.stores.sql_tasks import SqlTasks
from modelwright.app.tasks.desk import TaskDesk, told_of
from modelwright.app.tasks.door import TaskDoor
from modelwright.app.tasks.herald import Herald
from modelwright.app.tasks.runner import Runner
from modelwright.core.contracts.events import Event
from modelwright.core.contracts.tasks import TaskRules
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.stores import KeyStore
from modelwright.core.tasks.task import ENDED, QUEUED, RUNNING, Task
from modelwright.gateway.ids import CallIds

Labels = tuple[str, ...]


class Tasks:
    """All of it, while the database is open."""

    def __init__(
        self,
        store: SqlTasks,
        runtime: Path,
        *,
        keys: KeyStore,
        host: str,
        present: Callable[[float], Awaitable[Collection[str]]],
        tls: Callable[[], ssl.SSLContext],
        resolve: Callable[[str], str],
        clock: Clock,
        emit: Callable[[Event], None],
    ) -> None:
        self._clock = clock
        self._emit = emit
        self._ended: Counter[str] = Counter()
        self._pool = Pool()
        ids = CallIds(clock, os.urandom)
        chance = random.random
        self.desk = TaskDesk(store, store, clock=clock, keys=keys, ids=ids, changed=self._changed)
        self.door = TaskDoor(self.desk)
        self._runner = Runner(
            store,
            store,
            self._pool,
            runtime=runtime,
            host=host,
            present=present,
            clock=clock,
            ids=ids,
            chance=chance,
            changed=self._changed,
        )
        self._herald = Herald(store, tls=tls, resolve=resolve, clock=clock, chance=chance, emit=emit)

    def rule(self, rules: TaskRules | None) -> None:
        """The manifest says so from now on."""
        self.desk.rules = self._runner.rounds.rules = self._herald.rounds.rules = rules

    def works(self) -> tuple[Coroutine[Any, Any, None], ...]:
        """What goes on until `finish`."""
        return self._runner.rounds.run(), self._herald.rounds.run()

    def finish(self) -> None:
        """What goes on ends; what runs is begun again by the next control."""
        self._runner.rounds.finish()
        self._herald.rounds.finish()

    async def close(self) -> None:
        """After the end of what went on."""
        await asyncio.gather(self._pool.close(), self._herald.close())

    def readings(self) -> Mapping[str, Callable[[], float | Mapping[Labels, float]]]:
        """For control's metrics."""
        runner, results, ended = self._runner, self._herald.results, self._ended
        return {
            "modelwright_tasks_queued": lambda: runner.counts.get(QUEUED, 0),
            "modelwright_tasks_running": lambda: runner.counts.get(RUNNING, 0),
            "modelwright_tasks_ended_total": lambda: {(status,): count for status, count in ended.items()},
            "modelwright_webhook_attempts_total": lambda: {(result,): count for result, count in results.items()},
        }

    def _changed(self, task: Task) -> None:
        self._emit(told_of(task, self._clock.now()))
        if task.status in ENDED:
            self._ended[task.status] += 1
        self._runner.heard(task)
        self._herald.heard(task)
