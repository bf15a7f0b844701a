"""A part that runs: its machine's steps done to a real process and real doors; the rules are in `machine`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import assert_never

import msgspec

from modelwright.app.parts import Notice, PartSpec
from modelwright.app.supervise.budget import with_heap, within_budget
from modelwright.app.supervise.devices.child import Child, Ears, start_child
from modelwright.app.supervise.devices.doors import Door, TcpDoor, UnixDoor
from modelwright.app.supervise.devices.held_port import HeldPort
from modelwright.app.supervise.devices.lifelines import Lifelines
from modelwright.app.supervise.devices.pulse import MISSES, feel
from modelwright.app.supervise.devices.resident import hold_to
from modelwright.app.supervise.devices.runtime import Claim
from modelwright.app.supervise.fleet.variables import given_to, without_variables
from modelwright.app.supervise.machine import Kill, PartMachine, Refuse, Start, Step, Terminate, Wait
from modelwright.app.whole_file import write_whole
from modelwright.core.errors.starting import StartError
from modelwright.core.quantities import told_size
from modelwright.core.status import PartStatus

STARTING = 10
"""So many times as long a process may be silent that is not ready yet."""

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""The GPUs that a process sees."""

STRANGERS = frozenset({"serving", "grpc"})
"""Kinds of workers that are told no secret: they run what is not ours, or need none."""

Command = Callable[[PartSpec, Path], list[str]]
"""(spec, its file) → the command line of the worker."""


class World:
    """What all parts of a run share."""

    def __init__(
        self,
        claim: Claim,
        lifelines: Lifelines,
        *,
        command: Command,
        logs: Path | None,
        env: Mapping[str, str],
        own_env: Mapping[str, str] | None = None,
        secrets: int = -1,
    ) -> None:
        """`env` are the variables of the workers that run models: files from elsewhere see no secret of ours.

        `own_env` are those of the others (None: ours); `secrets` is the memory with the secrets of stores, for these.
        """
        self.claim = claim
        self.lifelines = lifelines
        self.command = command
        self.logs = logs
        self.env = env
        self.own_env = own_env
        self.secrets = secrets


class RunningPart:
    """One part with its doors and, most of the time, its process."""

    def __init__(
        self,
        spec: PartSpec,
        machine: PartMachine,
        *,
        world: World,
        shared: Mapping[str, Door],
        lacks: str = "",
        told: Callable[[], None],
        refused: Callable[[RunningPart], None],
    ) -> None:
        """`shared` are doors that other parts of the kind answer at too; `lacks` says why it cannot be started, as
        things are; `told` is called after each change, `refused` when nobody answers at this part's doors for a while.
        """
        self.spec = spec
        self.machine = machine
        self.own = UnixDoor(world.claim.runtime / f"{spec.name}.sock")
        self.shared = shared
        self.life: asyncio.Task[None] | None = None
        self._world = world
        self._lacks = lacks
        self._told = told
        self._refused = refused
        self._child: Child | None = None

    @property
    def doors(self) -> list[Door]:
        """All that it answers at."""
        return [*self.shared.values(), self.own]

    @property
    def log(self) -> Path | None:
        """Where its output goes; None: where ours goes."""
        return self._world.logs / f"{self.spec.name}.log" if self._world.logs else None

    def status(self) -> PartStatus:
        """As others see it."""
        model, group = self.spec.model, self.spec.group
        label = f"{model.told} by {model.engine}" if model else f"{len(group)} models" if group else ""
        given = self.spec.given if self.spec.given.told else None
        if self.machine.state == "ready":
            label = label or " ".join(door.url for door in self.shared.values() if isinstance(door, TcpDoor))
        return msgspec.structs.replace(self.machine.status(socket=str(self.own.path), label=label), given=given)

    def start(self) -> None:
        """The first start."""
        self.perform(self.machine.start())

    async def watch(self, stuck: float) -> None:
        """See to it that it answers, unless `stuck` is 0, and that it holds no more memory than it may."""
        async with asyncio.TaskGroup() as group:
            if stuck:
                group.create_task(self._watch_pulse(stuck))
            if self.spec.wants.memory:
                group.create_task(hold_to(self.spec.wants.memory, pid=lambda: self.machine.pid, over=self._over))

    def _over(self, todo: str, held: int) -> None:
        """It holds more memory than it may."""
        whose = self.spec.model.told if self.spec.model else ", ".join(one.model for one in self.spec.group)
        bound = self.spec.wants.memory
        words = (
            f"{whose} held {told_size(held)} of memory, and may hold {told_size(bound)} (`resources.memory`): it is "
            "ended and started again; raise that, or find what keeps the memory"
        )
        self.perform(self.machine.over(words, wait=todo != "kill"))
        self._told()

    async def _watch_pulse(self, stuck: float) -> None:
        """Kill the process when it has not answered for `stuck` seconds, so that it is started again.

        One that starts has ten times as long: an engine that reads a large model may let nothing else run.
        """

        def every() -> float:
            return stuck / MISSES * (1 if self.machine.state == "ready" else STARTING)

        def kill() -> None:
            self.perform(self.machine.stuck(every() * MISSES))

        await feel(self.own.path, pid=lambda: self.machine.pid, every=every, stuck=kill)

    def drain(self) -> None:
        """Take no new connection, ask the process to end, start none any more."""
        for door in self.doors:
            door.hush()
        self.perform(self.machine.drain())

    def kill(self) -> None:
        """Its grace is over."""
        self.perform(self.machine.overdue())

    def perform(self, steps: Sequence[Step]) -> None:
        """Do what the machine asks for."""
        for step in steps:
            match step:
                case Start():
                    self.life = asyncio.create_task(self._live(), name=self.spec.name)
                case Wait(seconds):
                    asyncio.get_running_loop().call_later(seconds, self._due)
                case Refuse():
                    self.own.close()
                    self._refused(self)
                case Terminate():
                    self._signal(signal.SIGTERM)
                case Kill():
                    self._signal(signal.SIGKILL)
                case _:
                    assert_never(step)

    async def _live(self) -> None:
        """One life of the process."""
        if self.machine.stopped:
            return
        try:
            self._child = await self._spawn()
        except (StartError, OSError) as error:
            self.machine.told(Notice(state="failed", detail=str(error), fatal=bool(self._lacks)))
            status = 1
        else:
            self.perform(self.machine.spawned(self._child.pid))
            self._told()
            status = await self._child.wait()
        self._child = None
        steps = self.machine.exited(status)
        self._told()
        self.perform(steps)

    async def _spawn(self) -> Child:
        if self._lacks:
            raise StartError(self._lacks)
        sockets = {"own": self.own.open()}
        addresses: dict[str, str] = {}
        for name, door in self.shared.items():
            number = door.open()
            if isinstance(door, HeldPort):
                addresses[name] = door.address
            else:
                sockets[name] = number
        lifeline, held = self._world.lifelines.ends(self.spec.kind)
        ears = Ears(self._heard)
        secrets = -1 if self.spec.kind in STRANGERS else self._world.secrets
        spec = msgspec.structs.replace(
            self.spec, sockets=sockets, addresses=addresses, lifeline=lifeline, notify=ears.mouth, secrets=secrets
        )
        file = self._world.claim.runtime / f"{spec.name}.json"
        write_whole(file, msgspec.json.encode(without_variables(spec)))
        return await start_child(
            self._world.command(spec, file),
            env=self._variables(spec),
            ears=ears,
            inherit=(*sockets.values(), lifeline, ears.mouth, *held, self._world.claim.workers_lock, *_open(secrets)),
            log=self.log,
        )

    def _variables(self, spec: PartSpec) -> Mapping[str, str] | None:
        if spec.kind not in STRANGERS:
            return with_heap(self._world.own_env) if self._world.own_env is not None else None
        shared = within_budget(with_heap(self._world.env), spec.model.threads if spec.model else 1)
        gpus = {VISIBLE: ",".join(spec.given.gpus)} if spec.given.gpus else {}
        return {**shared, **given_to(spec), **gpus}

    def _heard(self, notice: Notice) -> None:
        self.machine.told(notice)
        self._told()

    def _due(self) -> None:
        self.perform(self.machine.due())
        self._told()

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None:
            self._child.send(number)


def _open(descriptor: int) -> tuple[int, ...]:
    return (descriptor,) if descriptor >= 0 else ()
