"""Runs tasks: calls a gateway worker's own socket as whoever left the task, and keeps what comes of it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path

import msgspec

from modelwright.app.tasks.rounds import TROUBLE, Rounds, told
from modelwright.core.contracts.tasks import TaskRules
from modelwright.core.errors.calls import CallError
from modelwright.core.errors.providers import ProviderError
from modelwright.core.ports.clock import Clock
from modelwright.core.ports.http import Deadlines, Headers, Origin, Transport, UpstreamRequest
from modelwright.core.tasks import rules
from modelwright.core.tasks.store import TaskQueue, TaskStore
from modelwright.core.tasks.talk import BUSY, CALL, PRINCIPAL, RUN
from modelwright.core.tasks.task import ENDED, QUEUED, RUNNING, Answer, Task
from modelwright.gateway.policies.vouch import write_principal

TIDY = 60.0
"""Seconds between two looks for what is old; and how many of them are forgotten at once."""
MOST_AT_ONCE = 500
MOST_RUNNING = 10_000
LEFT = 3600.0
"""Seconds after which another host is not waited for any more."""
AGAIN = 1.0
"""Seconds after which nobody who was there to be asked, or a database that was away, is tried again."""
_LOOK = Deadlines(connect=0.5, first_byte=1.0, idle=1.0)

log = logging.getLogger("modelwright.tasks")


class Runner:
    """One per control process. Whoever makes the next revision of a task first, runs it."""

    def __init__(
        self,
        store: TaskStore,
        queue: TaskQueue,
        transport: Transport,
        *,
        runtime: Path,
        host: str,
        present: Callable[[float], Awaitable[Collection[str]]],
        clock: Clock,
        ids: Callable[[], str],
        chance: Callable[[], float],
        changed: Callable[[Task], None],
    ) -> None:
        """`runtime` has the workers' sockets; `ids` makes ids of calls, `changed` hears of every change.

        `host` is ours where several share the database, and `present` tells of those that were seen of late.
        """
        self.rounds = Rounds(self._round, what="tasks cannot be looked for")
        self.counts: Mapping[str, int] = {}
        """Tasks that wait and run, as of the last look."""
        self._store = store
        self._queue = queue
        self._transport = transport
        self._runtime = runtime
        self._host = host
        self._present = present
        self._now = clock.now
        self._ids = ids
        self._chance = chance
        self._changed = changed
        self._runs = self.rounds.works
        self._turns: Counter[str] = Counter()
        self._resumed = False
        self._tidied = 0.0

    @property
    def busy(self) -> int:
        """Calls under way."""
        return len(self._runs)

    def heard(self, task: Task) -> None:
        """Somebody else has changed a task: look at what is due, and go on with no call that nobody wants."""
        if task.status in ENDED and task.id in self._runs:
            self._runs[task.id].cancel()
        self.rounds.wake()

    async def _round(self, known: TaskRules) -> None:
        if not self._resumed:
            await self._resume()
            self._resumed = True
        now, free = self._now(), known.concurrency - len(self._runs)
        for task in await self._queue.due([QUEUED], now=now, most=2 * known.concurrency) if free > 0 else ():
            if task.id in self._runs or len(self._runs) >= known.concurrency or self._is_anothers(task, now):
                continue
            if now >= task.expires:
                await self._replace(rules.expired(task, now=now))
                continue
            self.rounds.begin(task.id, self._live(task, known))
        self.counts = await self._queue.counts()
        if self._host:
            await self._look_elsewhere()
        if now - self._tidied > TIDY:
            while await self._queue.purge(before=now - known.keep, most=MOST_AT_ONCE) == MOST_AT_ONCE:
                continue
            self._tidied = now

    async def _resume(self) -> None:
        """What ran when the runner before this one died, or when nobody knew whether the database had kept that."""
        for task in await self._queue.due([RUNNING], now=self._now(), most=MOST_RUNNING):
            if task.host == self._host and task.id not in self._runs:
                await self._replace(rules.resumed(task, now=self._now()))

    async def _look_elsewhere(self) -> None:
        """Of several hosts one may cancel what another runs, and one may never come back."""
        now = self._now()
        for name in tuple(self._runs):
            task = await self._store.find(name)
            if task is not None and task.status in ENDED and name in self._runs:
                self._runs[name].cancel()
        if now - self._tidied <= TIDY:
            return
        present = await self._present(now)
        for task in await self._queue.due([RUNNING], now=now, most=MOST_RUNNING):
            if task.host != self._host and task.host not in present:
                await self._replace(rules.resumed(task, now=now, is_elsewhere=True))

    def _is_anothers(self, task: Task, now: float) -> bool:
        """Whether a worker of another host may be at its call still, which that host will find out."""
        return bool(task.worker) and task.host != self._host and (task.due or 0.0) > now - LEFT

    async def _live(self, task: Task, known: TaskRules) -> None:
        """One attempt."""
        try:
            worker = await self._worker(task.worker if task.host == self._host else "")
            if worker is None:
                await self._replace(rules.put_off(task, until=self._now() + AGAIN))
                return
            body, _ = await self._store.content(task.id)
            begun = rules.begin(task, call=self._ids(), worker=worker, now=self._now(), host=self._host)
            if await self._replace(begun):
                after, answer = await self._asked(begun, body, known)
                await self._keep(after, answer)
        except TROUBLE as error:
            log.warning("%s could not be begun, it is tried again: %s", task.id, told(error))
            self._resumed = False  # the database may have kept it as begun all the same
        except Exception:
            log.exception("%s could not be run, by a mistake of ours", task.id)

    async def _asked(self, task: Task, body: bytes, known: TaskRules) -> tuple[Task, bytes]:
        """As `_ask`; a mistake of ours leaves no task that runs for ever."""
        try:
            return await self._ask(task, body, known)
        except Exception:
            log.exception("the call of %s could not be made, by a mistake of ours", task.id)
            return rules.lost(task, now=self._now(), chance=self._chance(), problem="a mistake of ours"), b""

    async def _ask(self, task: Task, body: bytes, known: TaskRules) -> tuple[Task, bytes]:
        """Make the call; the task as it is then, and the answer's body."""
        left = task.expires - self._now()
        try:
            async with asyncio.timeout(left):
                deadlines = Deadlines(connect=AGAIN, first_byte=left, idle=left)
                response = await self._transport.send(self._request(task, body), deadlines)
                content = await response.read(known.max_answer)
        except TimeoutError:
            return rules.expired(task, now=self._now()), b""
        except CallError as error:
            if type(error) is ProviderError:
                problem = f"the answer is longer than {known.max_answer} bytes (tasks.max_answer)"
                return rules.failed(task, now=self._now(), error="too_large", problem=problem), b""
            now, chance = self._now(), self._chance()
            return rules.lost(task, now=now, chance=chance, problem=f"{task.worker}: {error.message}"), b""
        headers = dict(response.headers)
        if BUSY in headers:
            return rules.unmade(task, until=self._now() + AGAIN), b""
        answer = _answer(response.status, headers, content)
        return rules.answered(task, answer, now=self._now(), chance=self._chance()), content

    def _request(self, task: Task, body: bytes) -> UpstreamRequest:
        named: Headers = [(name.encode(), value.encode("latin-1")) for name, value in task.headers.items()]
        if "x-request-id" not in task.headers:
            named = [*named, (b"x-request-id", task.id.encode())]
        return UpstreamRequest(
            origin=self._origin(task.worker),
            method="POST",
            target=f"{RUN}{task.id}{task.url}",
            headers=(
                *named,
                (b"content-type", b"application/json"),
                (PRINCIPAL, write_principal(task.principal)),
                (CALL, task.calls[-1].encode()),
            ),
            body=body,
        )

    async def _worker(self, pinned: str) -> str | None:
        """A gateway worker that takes calls: the one that may be at the task's call still, otherwise each in turn."""
        names = sorted(path.stem for path in self._runtime.glob("gateway-*.sock"))
        if pinned in names:
            names = [pinned]
        for name in sorted(names, key=lambda name: self._turns[name]):
            request = UpstreamRequest(origin=self._origin(name), method="GET", target="/readyz")
            try:
                answer = await self._transport.send(request, _LOOK)
                await answer.read(1 << 10)
            except CallError:
                continue
            if answer.status == 200:
                self._turns[name] += 1
                return name
        return None

    def _origin(self, worker: str) -> Origin:
        return Origin(scheme="unix", host=str(self._runtime / f"{worker}.sock"))

    async def _keep(self, task: Task, body: bytes) -> None:
        """However long the database is away: the answer is here and nowhere else."""
        while True:
            try:
                await self._replace(task, body if task.status in ENDED else b"")
            except TROUBLE as error:
                log.warning("what %s was answered waits to be kept: %s", task.id, told(error))
                await asyncio.sleep(AGAIN)
            else:
                return

    async def _replace(self, task: Task, body: bytes = b"") -> bool:
        """False when somebody else, who has cancelled it, was quicker."""
        done = await self._queue.replace(task, body=body)
        if done:
            self._changed(task)
        return done


class _Error(msgspec.Struct):
    code: str | None = None
    type: str | None = None


class _Envelope(msgspec.Struct):
    error: _Error


def _answer(status: int, headers: Mapping[bytes, bytes], content: bytes) -> Answer:
    wait = headers.get(b"retry-after", b"")
    return Answer(
        status=status,
        content_type=headers.get(b"content-type", b"").decode("latin-1"),
        retry_after=float(wait) if wait.isdigit() else None,
        code=_code(content) if status >= 400 else "",
    )


def _code(content: bytes) -> str:
    try:
        error = msgspec.json.decode(content, type=_Envelope).error
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""
    return (error.code or error.type or "")[:64]
