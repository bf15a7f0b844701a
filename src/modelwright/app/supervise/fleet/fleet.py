"""Which processes run the models now: another version comes up beside the old one, takes over, and the old one goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from modelwright.app.parts import PartSpec
from modelwright.app.supervise.devices.doors import Door
from modelwright.app.supervise.fleet.bell import Bell
from modelwright.app.supervise.fleet.crews import Coming, addressed, as_loaded, as_refused, members, off
from modelwright.app.supervise.fleet.leaving import busy_of, until_idle
from modelwright.app.supervise.fleet.sleepers import Sleepers
from modelwright.app.supervise.fleet.talk import Loaded
from modelwright.app.supervise.fleet.units import Unit, homes, meant, unknown
from modelwright.app.supervise.part import RunningPart
from modelwright.core.contracts.snapshot import Snapshot
from modelwright.core.errors.starting import StartError
from modelwright.core.scaling import ScaleRule
from modelwright.core.status import PartStatus


class Yard(Protocol):
    """Who has processes started and ended: the supervisor."""

    def hire(self, spec: PartSpec, shared: Mapping[str, Door] | None = None) -> RunningPart:
        """A part that is not started yet, with the doors that it shares."""
        ...

    def bell(self, name: str) -> Bell:
        """A socket of this name, not open yet."""
        ...

    def set_off(self, part: RunningPart) -> None:
        """Start it and look after it; raises StartError when its doors cannot be opened."""
        ...

    async def dismiss(self, part: RunningPart) -> None:
        """Have it finish what it has, end it, close its doors and forget it."""
        ...

    def changed(self) -> None:
        """Something is to be told of the parts."""
        ...

    async def publish(self) -> None:
        """Have the gateways know which sockets are in use; who leaves is let go then."""
        ...


class Fleet:
    """The parts of all units."""

    def __init__(self, units: Sequence[Unit], yard: Yard) -> None:
        self._yard = yard
        self._units = {unit.name: unit for unit in units}
        self._crews: dict[str, list[RunningPart]] = {}
        self._sleepers = Sleepers(wake=self._wake, is_away=self._is_away, told=self._told, spawn=self._spawn)
        """Units that their first call starts."""
        self._coming: Coming | None = None
        """What takes over when the change is in force."""
        self._leaving: list[RunningPart] = []
        self._retiring: set[RunningPart] = set()
        """Of these, whose end is under way."""
        self._refused: tuple[PartStatus, ...] = ()
        """What should have taken over and could not be started, as it was last."""
        self._rising: list[RunningPart] = []
        """Started to join those in force."""
        self._moved = asyncio.Event()
        self._unloaded: set[str] = set()
        """Units that an operator wants to have no process."""
        self.turn = asyncio.Lock()
        """Held by whoever changes which parts are in force."""
        self._turns: dict[str, asyncio.Lock] = {}
        """Likewise how many of a unit there are: one that takes its time to load keeps no other one waiting."""
        self._tasks: set[asyncio.Task[None]] = set()
        for unit in units:
            if unit.on_demand:
                self._sleepers.bells[unit.name] = yard.bell(f"{unit.name}-0")
            self._crews[unit.name] = self._grown(unit, [], to=unit.replicas)

    def open_doors(self) -> None:
        """Of units that their first call starts; raises StartError."""
        for bell in self._sleepers.bells.values():
            bell.door.open()

    def begin(self) -> None:
        """From now on calls start what sleeps."""
        self._sleepers.listen()

    @property
    def parts(self) -> list[RunningPart]:
        """All that have a process or may get one: in force, coming and leaving."""
        coming = self._coming.crews if self._coming is not None else {}
        found = [*members(self._crews), *members(coming), *self._rising, *self._leaving]
        return list(dict.fromkeys(found))

    @property
    def notes(self) -> tuple[PartStatus, ...]:
        """What is to be told beside the parts: versions that could not be started, and units that have no process."""
        sleepers = self._sleepers
        asleep = [name for name in sleepers.bells if not self._crews[name] and name not in self._unloaded]
        return (
            *self._refused,
            *(off(name, f"unloaded; modelwright models load {name}") for name in sorted(self._unloaded)),
            *(off(name, sleepers.why(name)) for name in asleep if name not in sleepers.waking),
        )

    def models(self) -> list[Loaded]:
        """What there is, and whether it can be asked."""
        return [
            loaded
            for name, unit in self._units.items()
            for loaded in as_loaded(
                unit,
                self._crews[name],
                off="unloaded" if name in self._unloaded else self._sleepers.why(name),
                waking=name in self._sleepers.waking,
            )
        ]

    def scaled(self) -> dict[str, ScaleRule]:
        """Units whose number may change, and that have a process now."""
        return {name: unit.scale for name, unit in self._units.items() if unit.scale.moves and self._crews[name]}

    def ready(self, name: str) -> Sequence[Path]:
        """Sockets of a unit's replicas that answer."""
        return [part.own.path for part in self._crews.get(name, ()) if part.machine.state == "ready"]

    def moved(self) -> None:
        """A part has changed its state."""
        self._moved.set()

    def addressed(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the sockets of those who answer from now on."""
        crews = self._coming.crews if self._coming is not None else self._crews
        bells = self._coming.bells if self._coming is not None else self._sleepers.bells
        units = self._coming.units if self._coming is not None else self._units
        awake = {name: bell for name, bell in bells.items() if name not in self._unloaded}
        off = {name: why for name, why in self._sleepers.refused().items() if name in self._same(units)}
        providers = tuple(
            addressed(provider, crews, awake, home=homes(units), off=off) for provider in snapshot.providers
        )
        return msgspec.structs.replace(snapshot, providers=providers)

    async def prepare(self, units: Sequence[Unit]) -> str:
        """Start whatever these units need and is not there; what is in the way, empty when all of it is ready.

        Nobody is asked anything else yet: `take_over` makes them the ones in force. In vain, nothing has changed.
        """
        self._refused = ()
        bells = {unit.name: self._bell(unit) for unit in units if unit.on_demand}
        crews = {unit.name: self._crew(unit, bells.get(unit.name)) for unit in units}
        self._coming = Coming({unit.name: unit for unit in units}, crews, bells)
        in_force = members(self._crews)
        fresh = [part for part in members(crews) if part not in in_force]
        try:
            for bell in bells.values():
                bell.door.open()
            for part in fresh:
                self._yard.set_off(part)
            await self._settled(fresh)
        except BaseException:
            self.give_up()
            raise
        failed = [part for part in fresh if part.machine.state != "ready"]
        if not failed:
            return ""
        self._refused = tuple(as_refused(part.status()) for part in failed)
        self.give_up()
        return "; ".join(
            f"{name}: {part.machine.detail or part.machine.state}"
            for name, crew in crews.items()
            for part in crew
            if part in failed
        )

    async def load(self, name: str) -> str:
        """Start a unit that was unloaded; what is in the way, empty when it is ready."""
        name = meant(name, self._units)
        if name not in self._units:
            return unknown(name, self._units)
        was = name in self._unloaded
        self._unloaded.discard(name)
        problem = await self.resize(name, max(1, len(self._crews[name]), self._units[name].scale.least))
        if problem and was:
            self._unloaded.add(name)
        return problem

    async def unload(self, name: str) -> str:
        """End a unit's processes after their last calls, until it is loaded again; what is in the way."""
        name = meant(name, self._units)
        if name not in self._units:
            return unknown(name, self._units)
        self._unloaded.add(name)
        await self.resize(name, 0)
        return ""

    async def resize(self, name: str, to: int) -> str:
        """Have so many replicas of a unit; why there are not. Those that go finish their calls."""
        async with self._turns.setdefault(name, asyncio.Lock()):
            unit = await self._as_it_will_be(name)
            if unit is None or (to and name in self._unloaded):
                return f"{name} is gone"
            if to > len(self._crews[name]):
                return await self._grow(unit, to)
            async with self.turn:
                if to < len(self._crews.get(name, ())):
                    await self._shrink(name, to)
                self._yard.changed()
                await self._yard.publish()
        return ""

    async def _as_it_will_be(self, name: str) -> Unit | None:
        """A unit that is about to change is started as what it becomes: its bell may stay, and no two answer there."""
        if self._coming is not None and name not in self._same(self._coming.units):
            async with self.turn:
                pass
        return self._units.get(name)

    async def _grow(self, unit: Unit, to: int) -> str:
        crew = self._crews[unit.name]
        bell = self._sleepers.bells.get(unit.name)
        fresh = self._grown(unit, crew, to=to, bell=bell)[len(crew) :]
        self._rising += fresh
        if bell is not None:
            bell.rest()
        try:
            for part in fresh:
                self._yard.set_off(part)
            await self._settled(fresh)
            failed = [part for part in fresh if part.machine.state != "ready"]
            problem = failed[0].machine.detail or failed[0].machine.state if failed else ""
        except StartError as error:
            problem = str(error)
        if problem:
            self._rise(fresh)
            self._leave(fresh)
            return problem
        async with self.turn:
            self._rise(fresh)
            now = self._units.get(unit.name)
            if now is not None and now.is_as(unit):
                self._crews[unit.name] = [*self._crews[unit.name], *fresh]
                self._sleepers.recovered(unit.name)
            else:
                self._leaving += fresh  # after the calls that it has: whoever called it meant what was there then
            self._yard.changed()
            await self._yard.publish()
        return ""

    def _rise(self, parts: Sequence[RunningPart]) -> None:
        """They are started no more: they are, or cannot be."""
        self._rising = [part for part in self._rising if part not in parts]

    async def _shrink(self, name: str, to: int) -> None:
        """The least busy go."""
        crew = self._crews[name]
        told = await asyncio.gather(*(busy_of(part.own.path) for part in crew))
        load = {part: busy.in_flight if busy is not None else 0 for part, busy in zip(crew, told, strict=True)}
        going = sorted(crew, key=lambda part: load[part])[: len(crew) - to]
        self._crews[name] = [part for part in crew if part not in going]
        self._leaving += going

    async def _wake(self, name: str) -> str:
        """For a call; what is in the way."""
        return await self.resize(name, max(1, len(self._crews.get(name, ()))))

    def _is_away(self, name: str, bell: Bell) -> bool:
        """Whether nobody answers at a bell, and somebody may be started there."""
        if self._crews.get(name) or name in self._unloaded:
            return False
        return not any(bell.door in part.shared.values() for part in (*self._leaving, *self._rising))

    async def _told(self) -> None:
        """What sleepers do is news for all."""
        self._yard.changed()
        async with self.turn:
            await self._yard.publish()

    def _same(self, units: Mapping[str, Unit]) -> set[str]:
        """Names of those that are in force as they are among these."""
        return {name for name, unit in units.items() if name in self._units and self._units[name].is_as(unit)}

    def give_up(self) -> None:
        """What was prepared shall not take over after all."""
        coming = members(self._coming.crews) if self._coming is not None else []
        bells = self._coming.bells.values() if self._coming is not None else ()
        for bell in bells:
            if bell not in self._sleepers.bells.values():
                bell.close()
        self._coming = None
        in_force = members(self._crews)
        self._leave([part for part in coming if part not in in_force])
        self._yard.changed()

    def take_over(self) -> None:
        """What was prepared is in force; those before go on answering until `retire`."""
        if self._coming is None:
            return
        before, same = members(self._crews), self._same(self._coming.units)
        self._units, self._crews = self._coming.units, self._coming.crews
        self._unloaded &= self._units.keys()
        self._sleepers.take_over(self._coming.bells, same=same)
        self._coming = None
        now = members(self._crews)
        self._leaving += [part for part in before if part not in now]

    def retire(self, heard: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let those go that nobody is sent to any more, once `heard` returns: all who send know it."""
        self._sleepers.listen()
        old, self._sleepers.old = self._sleepers.old, []
        leaving = [part for part in self._leaving if part not in self._retiring]
        self._retiring |= {*leaving}
        if leaving or old:
            self._spawn(self._retire(leaving, old, heard))

    def stop(self) -> None:
        """Everything is drained by the supervisor now."""
        for task in self._tasks:
            task.cancel()
        self._sleepers.hush()

    def close_doors(self) -> None:
        """Callers are refused."""
        self._sleepers.close()

    def _bell(self, unit: Unit) -> Bell:
        """The socket of a unit that stays as it is or sleeps, or one of its own: no call meets two versions there."""
        sleepers, name = self._sleepers, unit.name
        bell = sleepers.bells.get(name)
        asleep = bell is not None and name not in sleepers.waking and self._is_away(name, bell)
        if bell is not None and (asleep or name in self._same({name: unit})):
            return bell
        taken = {other.door.path.stem for other in (*sleepers.bells.values(), *sleepers.old)}
        return self._yard.bell(next(name for n in range(len(taken) + 1) if (name := f"{unit.name}-{n}") not in taken))

    def _crew(self, unit: Unit, bell: Bell | None) -> list[RunningPart]:
        """Who shall run a unit: those who do, as far as they are right, and new ones."""
        if unit.name in self._unloaded:
            return []
        known = self._units.get(unit.name)
        now = self._crews.get(unit.name, [])
        size = min(max(len(now), unit.scale.least), unit.scale.most)
        crew = now if known is not None and known.is_as(unit) else []
        return self._grown(unit, crew[:size], to=size, bell=bell)

    def _grown(
        self, unit: Unit, crew: Sequence[RunningPart], *, to: int, bell: Bell | None = None
    ) -> list[RunningPart]:
        taken = {part.spec.name for part in self.parts}
        grown = [*crew]
        while len(grown) < to:
            shared = {"calls": bell.door} if bell is not None else None
            grown.append(self._yard.hire(unit.replica(taken | {part.spec.name for part in grown}), shared))
        return grown

    async def _settled(self, parts: Sequence[RunningPart]) -> None:
        """Until each of them is ready or will not become so by itself."""
        while not all(part.machine.settled for part in parts):
            self._moved.clear()
            await self._moved.wait()

    def _leave(self, parts: Sequence[RunningPart]) -> None:
        """Those who were never asked anything go at once."""
        self._leaving += parts
        self._retiring |= {*parts}
        for part in parts:
            self._spawn(self._dismiss(part))

    async def _retire(
        self, parts: Sequence[RunningPart], bells: Sequence[Bell], heard: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        await heard()
        await asyncio.gather(*(self._after_its_calls(part) for part in parts))
        for bell in bells:
            bell.close()

    async def _after_its_calls(self, part: RunningPart) -> None:
        await until_idle(part.own.path, alive=lambda: part.machine.state == "ready")
        await self._dismiss(part)

    async def _dismiss(self, part: RunningPart) -> None:
        try:
            await self._yard.dismiss(part)
        finally:
            if part in self._leaving:
                self._leaving.remove(part)
            self._retiring.discard(part)
            self._sleepers.listen()
            self._yard.changed()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
