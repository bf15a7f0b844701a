"""Keeps the processes of an environment: starts them, again when they end, and finds those that a killed keeper left.

Each is written down before it runs, with its pid and when it was started: whoever keeps them next goes on with those
that still run, and starts the others.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

import msgspec

from modelwright.adapters.targets.folder import safe
from modelwright.adapters.targets.local import launching
from modelwright.adapters.targets.local.kernel import Alive, kill_all, started
from modelwright.adapters.targets.processes import Begin, End, OfProcesses, Process, Processes, Running, Said
from modelwright.core.addresses import split_address
from modelwright.core.errors.deploying import StepFailed

_FIRST, _LONGEST = 0.1, 30.0
"""Seconds before a process is started again, the first time and at most; twice as many each time."""
_STEADY = 10.0
"""Seconds that it has to run so that the next time is a first one."""
_LOOK = 30.0
"""Seconds between two looks at the length of logs."""
_LOST = 125
"""Status of what has ended while nobody looked, and has left none."""
_LETS_GO, _AGAIN = 3.0, 0.1
"""Seconds until an address counts as another program's: what was killed a moment ago may still have it."""


class Keeping:
    """Of one environment, in its folder; of one event loop."""

    def __init__(self, folder: Path, *, env: Mapping[str, str]) -> None:
        """`env`: what all processes have in common."""
        self._records = folder / "processes"
        self._folders = folder / "instances"
        self._logs = folder / "logs"
        self._env = launching.handed(env)
        self.published: Callable[[], Sequence[str]] = tuple
        """Where the edge is to listen, as its workload has it; whoever keeps the memory knows."""
        self._kept: dict[str, _Kept] = {}
        self._changing: dict[str, asyncio.Lock] = {}
        self._trimming: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Go on with all that are written down."""
        for folder in (self._records, self._folders, self._logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._records.glob("*.json")):
            running = msgspec.json.decode(path.read_bytes(), type=Running)
            self._keep(running)
        self._trimming = asyncio.create_task(self._trim())

    async def leave(self, *, ended: bool) -> None:
        """Keep them no more; `ended`: they end, and come back with the next keeper, otherwise they go on."""
        if self._trimming is not None:
            self._trimming.cancel()
        kept = [*self._kept.values()]
        await asyncio.gather(*(one.leave(grace=one.running.process.grace if ended else None) for one in kept))

    async def answer(self, question: OfProcesses) -> object:
        """Raises StepFailed."""
        match question:
            case Begin(process=process):
                return await self._begin(process)
            case End(name=name, grace=grace):
                return await self._end(name, grace)
            case Processes():
                return [one.running for _, one in sorted(self._kept.items())]
            case Said(name=name, lines=lines):
                return await asyncio.to_thread(self._said, name, lines)

    async def _begin(self, process: Process) -> None:
        async with self._alone(process.name):
            before = self._kept.get(process.name)
            if before is not None:
                if before.running.process == process and before.running.pid:
                    return
                await self._gone(before, process.grace)
            await self._require_free(process)
            try:
                await asyncio.to_thread(launching.lay, process, self._folders / process.name)
            except OSError as error:
                words = f"{process.name} cannot be made: {error.strerror} ({error.filename2 or error.filename})"
                raise StepFailed(
                    words, hint="see that this user may write there, and that the disk has room"
                ) from error
            taken = {port for one in self._kept.values() for port in one.running.ports.values()}
            ports = launching.free_ports(process.ports, taken)
            one = self._keep(Running(process=process, ports=ports))  # nobody else is given a port in between
            await one.begun.wait()

    async def _require_free(self, process: Process) -> None:
        """Raises StepFailed where another program listens: nobody would notice which of both answers."""
        until = monotonic() + _LETS_GO
        for address in self._listens(process):
            while launching.is_taken(address):
                if monotonic() > until:
                    hint = 'end it, or publish another: `publish: {http: "127.0.0.1:9000"}` under the target'
                    raise StepFailed(f"{address} is another program's", hint=hint)
                await asyncio.sleep(_AGAIN)

    def _listens(self, process: Process) -> Sequence[str]:
        """Addresses that it has chosen; all that lead to the edge, if it is the one."""
        if not process.address or process.ports:
            return ()
        doors = [each.partition(">")[0] for each in self.published()]
        port = split_address(process.address)[1]
        return doors if port in [split_address(each)[1] for each in doors] else (process.address,)

    async def _end(self, name: str, grace: float) -> None:
        async with self._alone(name):
            one = self._kept.get(name)
            if one is not None:
                await self._gone(one, grace)

    async def _gone(self, one: _Kept, grace: float) -> None:
        name = one.running.process.name
        await one.leave(grace=grace, forever=True)
        self._kept.pop(name, None)
        one.record.unlink(missing_ok=True)
        await asyncio.to_thread(launching.clear, one.folder)
        one.log.unlink(missing_ok=True)
        one.log.with_suffix(".old").unlink(missing_ok=True)

    def _keep(self, running: Running) -> _Kept:
        name = running.process.name
        one = _Kept(
            running,
            record=self._records / f"{name}.json",
            folder=self._folders / name,
            log=self._logs / f"{name}.log",
            env=self._env,
        )
        self._kept[name] = one
        return one

    def _alone(self, name: str) -> asyncio.Lock:
        return self._changing.setdefault(name, asyncio.Lock())

    def _said(self, name: str, lines: int) -> str:
        try:
            with (self._logs / f"{name}.log").open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - (lines << 10)))
                return b"\n".join(file.read().splitlines()[-lines:]).decode("utf-8", "replace").strip()
        except FileNotFoundError:
            return ""

    async def _trim(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            for one in [*self._kept.values()]:
                with suppress(OSError):
                    await asyncio.to_thread(launching.trim, one.log)


class _Kept:
    """One process, as long as it is wanted."""

    def __init__(self, running: Running, *, record: Path, folder: Path, log: Path, env: Mapping[str, str]) -> None:
        self.running = running
        self.record, self.folder, self.log = record, folder, log
        self.begun = asyncio.Event()
        """It was started, or cannot be."""
        self._env = env
        self._child: subprocess.Popen[bytes] | None = None
        self._alive: Alive | None = None
        self._life = asyncio.create_task(self._live())

    async def leave(self, *, grace: float | None, forever: bool = False) -> None:
        """Keep it no more. With a grace it is asked to end, and ended after it; it is gone then.

        But `forever` it comes back with the next keeper, unless it is run once: nobody knows how far it has come.
        """
        self._life.cancel()
        await asyncio.wait([self._life])
        alive = self._alive
        if grace is not None:
            if alive is not None:
                alive.signal(signal.SIGTERM)
                with suppress(TimeoutError):
                    async with asyncio.timeout(grace):
                        await alive.end()
                alive.signal(signal.SIGKILL)
                await alive.end()
            await asyncio.to_thread(kill_all, self._mark, session=alive.pid if alive else 0)
            self._reap()
            if not forever:
                self._left()
        if alive is not None:
            alive.close()

    async def _live(self) -> None:
        try:
            await self._again_and_again()
        finally:
            self.begun.set()

    async def _again_and_again(self) -> None:
        process, wait = self.running.process, _FIRST
        while True:
            if process.once and self.running.status is not None:
                return
            since = monotonic()
            if self._found() or await self._start():
                self.begun.set()
                await self._until_ended()
            else:
                self.begun.set()
            if process.once:
                continue
            wait = _FIRST if monotonic() - since > _STEADY else min(_LONGEST, 2 * wait)
            await asyncio.sleep(wait)

    def _found(self) -> bool:
        """Whether it runs already, since somebody else has started it."""
        if not self.running.pid:
            return False
        try:
            self._alive = Alive(self.running.pid, self.running.started)
        except ProcessLookupError:
            self._over(None)
            return False
        return True

    async def _start(self) -> bool:
        """What an earlier one has left behind is ended before."""
        process = self.running.process
        if process.once and self.running.status is not None:
            return False
        try:
            await asyncio.to_thread(kill_all, self._mark)
            self._child = await asyncio.to_thread(
                launching.launched,
                process,
                ports=self.running.ports,
                folder=self.folder,
                log=self.log,
                mark=self._mark,
                env=self._env,
            )
            since = started(self._child.pid)
            self._alive = Alive(self._child.pid, since)
            self._note(pid=self._child.pid, started=since)
        except (OSError, ValueError) as error:
            await self._not_started(error)
            return False
        launching.go(self._child)
        return True

    async def _not_started(self, error: Exception) -> None:
        """It may wait for its word already: it gets none, and ends."""
        with suppress(OSError), self.log.open("a") as log:
            log.write(f"it cannot be started: {error}\n")
        if self._child is not None and self._child.stdin is not None:
            self._child.stdin.close()
        await asyncio.to_thread(self._reap)
        if self._alive is not None:
            self._alive.close()
            self._alive = None
        self._over(127)

    async def _until_ended(self) -> None:
        alive = self._alive
        if alive is None:
            return
        await alive.end()
        await asyncio.to_thread(kill_all, self._mark, session=alive.pid)
        alive.close()
        self._alive = None
        self._over(self._reap())

    def _over(self, status: int | None) -> None:
        """It has ended; of what was run once, what it has left counts. On a full disk it is not written down."""
        if self.running.process.once:
            with suppress(OSError, ValueError):
                status = int(launching.status_of(self.folder).read_text("ascii"))
            status, restarts = _LOST if status is None else status, 0
        else:
            restarts = self.running.restarts + 1
        with suppress(OSError):
            self._note(pid=0, started="", status=status, restarts=restarts)

    def _left(self) -> None:
        """It was ended with its keeper."""
        if self.running.process.once and self._alive is not None:
            self._over(None)
            return
        with suppress(OSError):
            self._note(pid=0, started="")

    def _reap(self) -> int | None:
        """Its status, where it is known; 128 and the number for one that a signal has ended."""
        child, self._child = self._child, None
        if child is None:
            return None
        status = child.wait()
        return status if status >= 0 else 128 - status

    def _note(self, **changes: object) -> None:
        self.running = msgspec.structs.replace(self.running, **changes)
        safe.write(self.record, msgspec.json.encode(self.running))

    @property
    def _mark(self) -> str:
        return str(self.folder)
