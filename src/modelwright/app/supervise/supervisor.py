"""Starts the parts of a site and, when told to stop, drains them in order; its rules are in `machine` and `site`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from modelwright.app.parts import PartSpec
from modelwright.app.supervise.bulletin import Bulletin, Greeter
from modelwright.app.supervise.devices.child import bound_log, worker_command
from modelwright.app.supervise.devices.doors import Door, TcpDoor
from modelwright.app.supervise.devices.held_port import HeldPort
from modelwright.app.supervise.devices.lifelines import Lifelines
from modelwright.app.supervise.devices.runtime import Claim
from modelwright.app.supervise.fleet.bell import Bell
from modelwright.app.supervise.fleet.fleet import Fleet
from modelwright.app.supervise.fleet.leaving import until_heard
from modelwright.app.supervise.fleet.places import Places
from modelwright.app.supervise.machine import PartMachine
from modelwright.app.supervise.part import Command, RunningPart, World
from modelwright.app.supervise.renewal.configuration import Configuration
from modelwright.app.supervise.site import TIERS, Audience, Site, Verdict
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.ports.clock import Clock

MARGIN = 5.0
"""Seconds beyond the grace until a process that does not end is killed."""
HURRY = 1.0
"""Likewise after a second Ctrl-C."""
ECHO = 0.3
"""Seconds in which a second signal is the first one again: it reaches the group, and `make` passes it on once more."""
STUCK = 30.0
"""Seconds without an answer after which a process is taken for stuck: no load makes a loop wait as long."""
LOG_CHECK = 30.0
"""Seconds between two looks at the size of the logs."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Runs one site until it is told to stop."""

    def __init__(
        self,
        site: Site,
        claim: Claim,
        *,
        public: TcpDoor,
        admin: TcpDoor,
        grpc: HeldPort | None = None,
        audience: Audience,
        greeter: Greeter,
        clock: Clock,
        pid: int,
        command: Command = worker_command,
        stuck: float = STUCK,
    ) -> None:
        """`stuck`: seconds without an answer after which a process is killed and started again; 0: never."""
        self._clock = clock
        self._stuck = stuck
        self._lives: dict[RunningPart, asyncio.Task[None]] = {}
        """Who looks whether a part still answers."""
        now = clock.now()
        self._bulletin = Bulletin(
            site, claim, public=public, admin=admin, grpc=grpc, audience=audience, greeter=greeter, pid=pid, since=now
        )
        self._lifelines = Lifelines(TIERS)
        self._shared: dict[str, dict[str, Door]] = {"gateway": {"public": public}, "control": {"admin": admin}}
        if grpc is not None:
            self._shared["grpc"] = {"grpc": grpc}
        self._world = World(
            claim,
            self._lifelines,
            command=command,
            logs=site.logs,
            env=site.env,
            own_env=site.own_env,
            secrets=site.secrets,
        )
        self._places = Places(site.machine)
        self._fixed = [self.hire(spec) for spec in site.specs]
        self.fleet = Fleet(site.units, self)
        """The models' processes."""
        self.turn = self.fleet.turn
        self.publisher: Callable[[], Coroutine[Any, Any, None]] | None = None
        """Has the gateways know which sockets are in use; None: there are none of ours."""
        self._told_at = -ECHO
        """When a signal last counted."""
        self._stopping = asyncio.Event()
        self._hurried = asyncio.Event()
        self._killed = False
        self._beside: list[Callable[[], Coroutine[Any, Any, None]]] = [self._watch_logs]

    @property
    def _parts(self) -> list[RunningPart]:
        """In the order of a drain."""
        return sorted([*self._fixed, *self.fleet.parts], key=lambda part: TIERS.index(part.spec.kind))

    def beside(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do this too, from the first start until the drain begins."""
        self._beside.append(work)

    async def prepare(self, configuration: Configuration) -> str:
        """Bring up whatever models it has anew; why that cannot be done, empty when they are ready."""
        self._places.machine = configuration.loaded.machine
        return await self.fleet.prepare(configuration.units)

    def addressed(self, configuration: Configuration) -> Snapshot:
        """Its snapshot with the sockets that are in use then."""
        return self.fleet.addressed(configuration.snapshot)

    def give_up(self) -> None:
        """What was brought up shall not be used after all."""
        self.fleet.give_up()

    def renew(self, configuration: Configuration) -> None:
        """The site runs by this from now on; models that it has no more go on answering until `retire`."""
        self.fleet.take_over()
        self._bulletin.renew(configuration.off)
        self._tell()

    def retire(self, serial: int) -> None:
        """All shall answer by this snapshot: end whatever it does not name, once nobody waits for it."""
        gateways = [part.own.path for part in self._fixed if part.spec.kind == "gateway"]
        self.fleet.retire(functools.partial(until_heard, gateways, serial))

    def hire(self, spec: PartSpec, shared: Mapping[str, Door] | None = None) -> RunningPart:
        """A part that is not started yet, with the doors that it shares."""
        spec, lacks = self._places.placed(spec)
        return RunningPart(
            spec,
            PartMachine(spec.name, spec.kind, clock=self._clock),
            world=self._world,
            shared=shared or self._shared.get(spec.kind, {}),
            lacks=lacks,
            told=self._tell,
            refused=self._refuse,
        )

    def bell(self, name: str) -> Bell:
        """A socket at which calls wait for a process."""
        return Bell(self._world.claim.runtime / f"{name}.calls")

    def set_off(self, part: RunningPart) -> None:
        """Start it and look after it."""
        for door in part.doors:
            door.open()
        part.start()
        if self._stuck or part.spec.wants.memory:
            self._lives[part] = asyncio.get_running_loop().create_task(part.watch(self._stuck))

    async def dismiss(self, part: RunningPart) -> None:
        """Have it finish what it has, end it and close its doors."""
        part.drain()
        self._tell()
        await self._gone([part])
        self._places.left(part.spec.name)
        part.own.close()
        if part in self._lives:
            self._lives.pop(part).cancel()

    async def publish(self) -> None:
        """Have the gateways know which sockets are in use."""
        if self.publisher is not None:
            await self.publisher()

    def changed(self) -> None:
        """Something is to be told of the parts."""
        self._tell()

    def say(self, line: str) -> None:
        """To whoever watches."""
        self._bulletin.say(line)

    @property
    def verdict(self) -> Verdict | None:
        """Why the start came to nothing; None when it did not."""
        return self._bulletin.verdict

    def open_doors(self) -> None:
        """Bind everything, before anything is started. Raises StartError; then nothing stays bound."""
        try:
            for part in self._parts:
                for door in part.doors:
                    door.open()
            self.fleet.open_doors()
        except BaseException:
            self._close_doors(self._parts)
            self.fleet.close_doors()
            raise

    async def run(self) -> bool:
        """Until SIGINT, SIGTERM or SIGHUP, or a start that comes to nothing; True: every process ended by itself."""
        self._bulletin.point()
        with self._signals():
            try:
                for part in self._parts:
                    self.set_off(part)
                self.fleet.begin()
                tasks = [asyncio.create_task(work()) for work in self._beside]
                self._tell()
                await self._stopping.wait()
                for task in (*tasks, *self._lives.values()):
                    task.cancel()
                self.fleet.stop()
                await self._drain()
                self._bulletin.say("stopped")
            finally:
                self._close_doors(self._parts)
                self.fleet.close_doors()
                self._lifelines.close()
        return not self._killed

    def stop(self) -> None:
        """Begin to drain; a second time: hurry."""
        if self._stopping.is_set():
            self._hurried.set()
        self._stopping.set()

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        # Under nohup a closed terminal is no reason to stop.
        heard = [one for one in SIGNALS if one != signal.SIGHUP or signal.getsignal(one) != signal.SIG_IGN]
        for number in heard:
            loop.add_signal_handler(number, self._signalled)
        try:
            yield
        finally:
            for number in heard:
                loop.remove_signal_handler(number)

    def _signalled(self) -> None:
        at_once, now = self._stopping.is_set(), self._clock.monotonic()
        if at_once and now - self._told_at < ECHO:
            return
        self._told_at = now
        self._bulletin.say(
            "stopping at once" if at_once else "stopping: calls that run are finished (once more: at once)"
        )
        self.stop()

    def _tell(self) -> None:
        parts = self._parts
        settled = all(part.machine.settled for part in parts)
        self._bulletin.tell([*(part.status() for part in parts), *self.fleet.notes], settled=settled)
        self.fleet.moved()
        if self._bulletin.verdict is not None and not self._stopping.is_set():
            self.stop()

    def _refuse(self, part: RunningPart) -> None:
        """Close the doors that this part shares, when no other part answers there."""
        for door in part.shared.values():
            others = [other for other in self._parts if other is not part and door in other.shared.values()]
            if not any(other.machine.pid for other in others):
                door.close()

    async def _drain(self) -> None:
        self._bulletin.end_of_start()
        for tier in TIERS:
            parts = [part for part in self._parts if part.spec.kind == tier]
            for part in parts:
                part.drain()
            self._tell()
            self._close_doors(parts)
            await self._gone(parts)

    async def _gone(self, parts: Sequence[RunningPart]) -> None:
        """Wait until these processes have ended; those that do not in their grace are killed, and it is said."""
        lives = [part.life for part in parts if part.life is not None and not part.life.done()]
        grace = max((part.spec.grace for part in parts), default=0.0)
        if not lives:
            return
        ended, hurried = asyncio.gather(*lives), asyncio.ensure_future(self._hurried.wait())
        await asyncio.wait((ended, hurried), timeout=grace + MARGIN, return_when=asyncio.FIRST_COMPLETED)
        if self._hurried.is_set():
            for part in self._parts:
                part.drain()
            await asyncio.wait((ended,), timeout=HURRY)
        hurried.cancel()
        for part in parts:
            if part.machine.pid:
                self._killed = True
                self._bulletin.say(f"{part.spec.name} did not end by itself and is killed (pid {part.machine.pid})")
                part.kill()
        await ended

    def _close_doors(self, parts: Sequence[RunningPart]) -> None:
        for part in parts:
            for door in part.doors:
                door.close()

    async def _watch_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK)
            for part in self._parts:
                if part.log is not None:
                    with contextlib.suppress(OSError):
                        bound_log(part.log)
