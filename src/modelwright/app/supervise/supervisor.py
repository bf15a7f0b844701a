"""Starts the parts of a site, starts again what dies, drains them in order; its rules are in `machine` and `site`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol, assert_never

import msgspec

from modelwright.app.parts import Notice, PartSpec
from modelwright.app.supervise.devices.child import Child, Ears, bound_log, start_child, worker_command
from modelwright.app.supervise.devices.doors import Door, TcpDoor, UnixDoor
from modelwright.app.supervise.devices.lifelines import Lifelines
from modelwright.app.supervise.devices.runtime import Claim, Pointer, write_whole
from modelwright.app.supervise.machine import Kill, PartMachine, Refuse, Start, Step, Terminate, Wait
from modelwright.app.supervise.site import TIERS, Audience, Site, Verdict, is_ready, judge_start
from modelwright.core.errors import StartError
from modelwright.core.ports.clock import Clock
from modelwright.core.status import PartStatus, Status

MARGIN = 5.0
"""Seconds beyond the grace until a process that does not end is killed."""
HURRY = 1.0
"""Likewise after a second Ctrl-C."""
LOG_CHECK = 30.0
"""Seconds between two looks at the size of the logs."""


class Greeter(Protocol):
    """Makes a started site usable: sees to the key, and says what to do next."""

    async def prepare(self) -> None:
        """Control answers now."""
        ...

    def lines(self, status: Status) -> Sequence[str]:
        """What to print when everything has settled."""
        ...


class _Part:
    """A part's machine with what it moves."""

    def __init__(self, spec: PartSpec, machine: PartMachine, own: UnixDoor) -> None:
        self.spec = spec
        self.machine = machine
        self.own = own
        self.child: Child | None = None
        self.life: asyncio.Task[None] | None = None


class Supervisor:
    """Runs one site until it is told to stop."""

    def __init__(
        self,
        site: Site,
        claim: Claim,
        *,
        public: TcpDoor,
        admin: TcpDoor,
        audience: Audience,
        greeter: Greeter,
        clock: Clock,
        pid: int,
        command: Callable[[PartSpec, Path], list[str]] = worker_command,
    ) -> None:
        self._site = site
        self._claim = claim
        self._shared: dict[str, tuple[str, TcpDoor]] = {"gateway": ("public", public), "control": ("admin", admin)}
        self._public = public
        self._admin = admin
        self._audience = audience
        self._greeter = greeter
        self._command = command
        self._pid = pid
        self._since = clock.now()
        self._parts = [
            _Part(spec, PartMachine(spec.name, spec.kind, clock=clock), UnixDoor(claim.runtime / f"{spec.name}.sock"))
            for spec in site.specs
        ]
        self._lifelines = Lifelines(TIERS)
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._prepared: asyncio.Task[None] | None = None
        self._settled = False
        self._killed = False
        self._told: dict[str, PartStatus] = {}
        self.verdict: Verdict | None = None
        """Why the start came to nothing, once that is known."""

    def open_doors(self) -> None:
        """Bind everything, before anything is started. Raises StartError; then nothing stays bound."""
        try:
            for door in self._doors():
                door.open()
        except BaseException:
            self._close_doors()
            raise

    async def run(self) -> bool:
        """Until SIGINT, SIGTERM or SIGHUP, or a start that comes to nothing; True: every process ended by itself."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        for number in signals:
            loop.add_signal_handler(number, self._signalled)
        self._claim.point(self._pointer())
        try:
            for part in self._parts:
                self._perform(part, part.machine.start())
            watching = asyncio.create_task(self._watch_logs())
            self._tell()
            await self._stopping.wait()
            watching.cancel()
            await self._drain()
            self._audience.said("stopped")
        finally:
            self._close_doors()
            self._lifelines.close()
            for number in signals:
                loop.remove_signal_handler(number)
        return not self._killed

    def stop(self) -> None:
        """Begin to drain; a second time: hurry."""
        if self._stopping.is_set():
            self._hurried.set()
        self._stopping.set()

    def status(self) -> Status:
        """As `modelwright status` shows it, without the workers' own numbers."""
        parts = (*(self._seen(part) for part in self._parts), *self._site.off)
        return Status(
            name=self._site.name,
            environment=self._site.environment,
            version=self._site.version,
            pid=self._pid,
            since=self._since,
            public=self._public.url,
            admin=self._admin.url,
            ready=is_ready(parts),
            parts=parts,
        )

    def _pointer(self) -> Pointer:
        runtime = str(self._claim.runtime)
        return Pointer(
            pid=self._pid, runtime=runtime, public=self._public.url, admin=self._admin.url, since=self._since
        )

    def _signalled(self) -> None:
        if self._stopping.is_set():
            self._audience.said("stopping at once")
        else:
            self._audience.said("stopping: calls that run are finished (once more: at once)")
        self.stop()

    def _perform(self, part: _Part, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case Start():
                    part.life = asyncio.create_task(self._live(part), name=part.spec.name)
                case Wait(seconds):
                    asyncio.get_running_loop().call_later(seconds, self._due, part)
                case Refuse():
                    self._refuse(part)
                case Terminate():
                    if part.child is not None:
                        part.child.send(signal.SIGTERM)
                case Kill():
                    if part.child is not None:
                        part.child.send(signal.SIGKILL)
                case _:
                    assert_never(step)

    async def _live(self, part: _Part) -> None:
        """One life of a part's process."""
        if self._stopping.is_set():
            return
        try:
            part.child = await self._spawn(part)
        except (StartError, OSError) as error:
            part.machine.told(Notice(state="failed", detail=str(error)))
            status = 1
        else:
            self._perform(part, part.machine.spawned(part.child.pid))
            self._tell()
            status = await part.child.wait()
        part.child = None
        steps = part.machine.exited(status)
        self._tell()
        self._perform(part, steps)
        self._tell()

    async def _spawn(self, part: _Part) -> Child:
        sockets = {"own": part.own.open()}
        if part.spec.kind in self._shared:
            name, door = self._shared[part.spec.kind]
            sockets[name] = door.open()
        lifeline, held = self._lifelines.ends(part.spec.kind)
        ears = Ears(lambda notice: self._heard(part, notice))
        spec = msgspec.structs.replace(part.spec, sockets=sockets, lifeline=lifeline, notify=ears.mouth)
        file = self._claim.runtime / f"{spec.name}.json"
        write_whole(file, msgspec.json.encode(spec))
        return await start_child(
            self._command(spec, file),
            ears=ears,
            inherit=(*sockets.values(), lifeline, ears.mouth, *held, self._claim.workers_lock),
            log=self._site.logs / f"{spec.name}.log" if self._site.logs else None,
        )

    def _heard(self, part: _Part, notice: Notice) -> None:
        part.machine.told(notice)
        self._tell()

    def _due(self, part: _Part) -> None:
        self._perform(part, part.machine.due())
        self._tell()

    def _refuse(self, part: _Part) -> None:
        """Nobody answers at this part's doors: close its own, and the shared one when no other part answers there."""
        part.own.close()
        others = [other for other in self._parts if other.spec.kind == part.spec.kind and other is not part]
        if part.spec.kind in self._shared and not any(other.machine.pid for other in others):
            self._shared[part.spec.kind][1].close()

    def _tell(self) -> None:
        """Tell whoever watches what has changed; write it where `status` looks."""
        status = self.status()
        changed = [part for part in status.parts if self._told.get(part.name) != part]
        if not changed:
            return
        self._told = {part.name: part for part in status.parts}
        write_whole(self._claim.runtime / "status.json", msgspec.json.encode(status))
        for part in changed:
            self._audience.changed(part)
        self._look_at_start(status)

    def _look_at_start(self, status: Status) -> None:
        if self._settled or self._stopping.is_set():
            return
        if self._prepared is None and any(part.kind == "control" and part.state == "ready" for part in status.parts):
            self._prepared = asyncio.create_task(self._greeter.prepare())
            self._prepared.add_done_callback(lambda _: self._look_at_start(self.status()))
        if not all(part.machine.settled for part in self._parts):
            return
        self.verdict = judge_start(status.parts, remote=self._site.remote)
        if self.verdict is not None:
            self.stop()
        elif self._prepared is None or self._prepared.done():
            self._settled = True
            self._audience.settled(status, self._greeter.lines(status))

    async def _drain(self) -> None:
        if self._prepared is not None:
            self._prepared.cancel()
        for tier in TIERS:
            parts = [part for part in self._parts if part.spec.kind == tier]
            for part in parts:
                self._drain_part(part)
            self._tell()
            for door in self._doors(parts):
                door.close()
            lives = [part.life for part in parts if part.life is not None and not part.life.done()]
            await self._gone(lives, grace=max((part.spec.grace for part in parts), default=0.0))

    def _drain_part(self, part: _Part) -> None:
        for door in self._doors([part]):
            door.hush()
        self._perform(part, part.machine.drain())

    async def _gone(self, lives: Sequence[asyncio.Task[None]], *, grace: float) -> None:
        """Wait until these processes have ended; those that do not in their grace are killed, and it is said."""
        hurried = asyncio.ensure_future(self._hurried.wait())
        await _any(asyncio.gather(*lives), hurried, within=grace + MARGIN)
        if self._hurried.is_set():
            for part in self._parts:
                self._drain_part(part)
            await _any(asyncio.gather(*lives), within=HURRY)
        hurried.cancel()
        for part in self._parts:
            if part.life in lives and part.machine.pid:
                self._killed = True
                self._audience.said(f"{part.spec.name} did not end by itself and is killed (pid {part.machine.pid})")
                self._perform(part, part.machine.overdue())
        await asyncio.gather(*lives)

    def _seen(self, part: _Part) -> PartStatus:
        model = part.spec.model
        label = f"{model.model} by {model.engine}" if model else ""
        return part.machine.status(socket=str(part.own.path), label=label)

    def _doors(self, parts: Sequence[_Part] | None = None) -> list[Door]:
        chosen = self._parts if parts is None else parts
        kinds = dict.fromkeys(part.spec.kind for part in chosen)
        shared: list[Door] = [self._shared[kind][1] for kind in kinds if kind in self._shared]
        return [*shared, *(part.own for part in chosen)]

    def _close_doors(self) -> None:
        for door in self._doors():
            door.close()

    async def _watch_logs(self) -> None:
        while self._site.logs is not None:
            await asyncio.sleep(LOG_CHECK)
            for part in self._parts:
                with contextlib.suppress(OSError):
                    bound_log(self._site.logs / f"{part.spec.name}.log")


async def _any(*awaited: Awaitable[object], within: float) -> None:
    """Until one of them is done, or the time is over; none is cancelled."""
    futures = [asyncio.ensure_future(one) for one in awaited]
    await asyncio.wait(futures, timeout=within, return_when=asyncio.FIRST_COMPLETED)
