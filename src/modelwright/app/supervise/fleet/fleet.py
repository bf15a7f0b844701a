"""Which processes run the models now: another version comes up beside the old one, takes over, and the old one goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Protocol

import msgspec

from modelwright.app.parts import PartSpec
from modelwright.app.supervise.fleet.leaving import until_idle
from modelwright.app.supervise.fleet.talk import Loaded
from modelwright.app.supervise.fleet.units import Unit
from modelwright.app.supervise.part import RunningPart
from modelwright.core.contracts.snapshot import SERVING, ProviderEntry, Snapshot
from modelwright.core.status import PartStatus


class Yard(Protocol):
    """Who has processes started and ended: the supervisor."""

    def hire(self, spec: PartSpec) -> RunningPart:
        """A part that is not started yet."""
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
        self._coming: tuple[dict[str, Unit], dict[str, list[RunningPart]]] | None = None
        """What takes over when the change is in force."""
        self._leaving: list[RunningPart] = []
        self._refused: tuple[PartStatus, ...] = ()
        """What should have taken over and could not be started, as it was last."""
        self._rising: list[RunningPart] = []
        """Started to join those in force."""
        self._moved = asyncio.Event()
        self._unloaded: set[str] = set()
        """Units that an operator wants to have no process."""
        self.turn = asyncio.Lock()
        """Held by whoever changes which parts are in force."""
        self._tasks: set[asyncio.Task[None]] = set()
        for unit in units:
            self._crews[unit.name] = self._grown(unit, [], to=unit.replicas)

    @property
    def parts(self) -> list[RunningPart]:
        """All that have a process or may get one: in force, coming and leaving."""
        coming = self._coming[1] if self._coming is not None else {}
        found = [*_of(self._crews), *_of(coming), *self._rising, *self._leaving]
        return list(dict.fromkeys(found))

    @property
    def notes(self) -> tuple[PartStatus, ...]:
        """What is to be told beside the parts: versions that could not be started, and units that have no process."""
        return (*self._refused, *(_as_unloaded(name) for name in self._units if name in self._unloaded))

    def models(self) -> list[Loaded]:
        """What there is, and whether it can be asked."""
        return [_as_loaded(unit, self._crews[name], self._unloaded) for name, unit in self._units.items()]

    def moved(self) -> None:
        """A part has changed its state."""
        self._moved.set()

    def addressed(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the sockets of those who answer from now on."""
        crews = self._coming[1] if self._coming is not None else self._crews
        providers = tuple(_addressed(provider, crews) for provider in snapshot.providers)
        return msgspec.structs.replace(snapshot, providers=providers)

    async def prepare(self, units: Sequence[Unit]) -> str:
        """Start whatever these units need and is not there; what is in the way, empty when all of it is ready.

        Nobody is asked anything else yet: `take_over` makes them the ones in force. In vain, nothing has changed.
        """
        self._refused = ()
        crews = {unit.name: self._crew(unit) for unit in units}
        self._coming = ({unit.name: unit for unit in units}, crews)
        in_force = _of(self._crews)
        fresh = [part for part in _of(crews) if part not in in_force]
        try:
            for part in fresh:
                self._yard.set_off(part)
            await self._settled(fresh)
        except BaseException:
            self.give_up()
            raise
        failed = [part for part in fresh if part.machine.state != "ready"]
        if not failed:
            return ""
        self._refused = tuple(_as_refused(part.status()) for part in failed)
        self.give_up()
        return "; ".join(
            f"{name}: {part.machine.detail or part.machine.state}"
            for name, crew in crews.items()
            for part in crew
            if part in failed
        )

    async def load(self, name: str) -> str:
        """Start a unit that was unloaded; what is in the way, empty when it is ready."""
        async with self.turn:
            unit = self._units.get(name)
            if unit is None:
                return _unknown(name, self._units)
            fresh = self._grown(unit, self._crews[name], to=unit.replicas)[len(self._crews[name]) :]
            for part in fresh:
                self._yard.set_off(part)
            self._rising += fresh
            await self._settled(fresh)
            self._rising = [part for part in self._rising if part not in fresh]
            failed = [part for part in fresh if part.machine.state != "ready"]
            if failed:
                self._leave(fresh)
                return failed[0].machine.detail
            self._unloaded.discard(name)
            self._crews[name] += fresh
        await self._yard.publish()
        return ""

    async def unload(self, name: str) -> str:
        """End a unit's processes after their last calls, until it is loaded again; what is in the way."""
        async with self.turn:
            if name not in self._units:
                return _unknown(name, self._units)
            self._unloaded.add(name)
            self._leaving += self._crews[name]
            self._crews[name] = []
        self._yard.changed()
        await self._yard.publish()
        return ""

    def give_up(self) -> None:
        """What was prepared shall not take over after all."""
        coming = _of(self._coming[1]) if self._coming is not None else []
        self._coming = None
        in_force = _of(self._crews)
        self._leave([part for part in coming if part not in in_force])
        self._yard.changed()

    def take_over(self) -> None:
        """What was prepared is in force; those before go on answering until `retire`."""
        if self._coming is None:
            return
        before = _of(self._crews)
        self._units, self._crews = self._coming
        self._unloaded &= self._units.keys()
        self._coming = None
        now = _of(self._crews)
        self._leaving += [part for part in before if part not in now]

    def retire(self, heard: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let those go that nobody is sent to any more, once `heard` returns: all who send know it."""
        if self._leaving:
            self._spawn(self._retire([*self._leaving], heard))

    def stop(self) -> None:
        """Everything is drained by the supervisor now."""
        for task in self._tasks:
            task.cancel()

    def _crew(self, unit: Unit) -> list[RunningPart]:
        """Who shall run a unit: those who do, as far as they are right, and new ones."""
        if unit.name in self._unloaded:
            return []
        known = self._units.get(unit.name)
        crew = self._crews.get(unit.name, []) if known is not None and known.is_as(unit) else []
        return self._grown(unit, crew[: unit.replicas], to=unit.replicas)

    def _grown(self, unit: Unit, crew: Sequence[RunningPart], *, to: int) -> list[RunningPart]:
        taken = {part.spec.name for part in self.parts}
        grown = [*crew]
        while len(grown) < to:
            grown.append(self._yard.hire(unit.replica(taken | {part.spec.name for part in grown})))
        return grown

    async def _settled(self, parts: Sequence[RunningPart]) -> None:
        """Until each of them is ready or will not become so by itself."""
        while not all(part.machine.settled for part in parts):
            self._moved.clear()
            await self._moved.wait()

    def _leave(self, parts: Sequence[RunningPart]) -> None:
        """Those who were never asked anything go at once."""
        self._leaving += parts
        for part in parts:
            self._spawn(self._dismiss(part))

    async def _retire(self, parts: Sequence[RunningPart], heard: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await heard()
        await asyncio.gather(*(self._after_its_calls(part) for part in parts))

    async def _after_its_calls(self, part: RunningPart) -> None:
        await until_idle(part.own.path, alive=lambda: part.machine.state == "ready")
        await self._dismiss(part)

    async def _dismiss(self, part: RunningPart) -> None:
        try:
            await self._yard.dismiss(part)
        finally:
            if part in self._leaving:
                self._leaving.remove(part)
            self._yard.changed()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _of(crews: dict[str, list[RunningPart]]) -> list[RunningPart]:
    return [part for crew in crews.values() for part in crew]


def _addressed(provider: ProviderEntry, crews: dict[str, list[RunningPart]]) -> ProviderEntry:
    if provider.kind != SERVING:
        return provider
    name = provider.name.removeprefix(f"{SERVING}:")
    crew = crews.get(name, [])
    if not crew:
        return msgspec.structs.replace(provider, base_urls=(), off=f"load it: modelwright models load {name}")
    return msgspec.structs.replace(provider, base_urls=tuple(f"unix:{part.own.path}" for part in crew))


def _as_refused(status: PartStatus) -> PartStatus:
    detail = f"the version before goes on serving, for the new one could not be started: {status.detail}"
    return msgspec.structs.replace(status, state="broken", detail=detail, pid=0, socket="")


def _as_unloaded(name: str) -> PartStatus:
    return PartStatus(
        name=f"{SERVING}-{name}", kind=SERVING, state="off", detail=f"unloaded; modelwright models load {name}"
    )


def _as_loaded(unit: Unit, crew: Sequence[RunningPart], unloaded: Collection[str]) -> Loaded:
    model = unit.spec.model
    name, version = (model.model, model.version) if model is not None else (unit.name, "")
    states = {part.machine.state: part.machine.detail for part in crew}
    if "ready" in states:
        return Loaded(name=name, version=version, state="READY")
    if unit.name in unloaded:
        return Loaded(name=name, version=version, state="UNAVAILABLE", reason="unloaded")
    if "starting" in states:
        return Loaded(name=name, version=version, state="LOADING")
    return Loaded(name=name, version=version, state="UNAVAILABLE", reason="; ".join(states.values()))


def _unknown(name: str, units: Collection[str]) -> str:
    return f"there is no model {name[:80]!r}; there is {', '.join(units) or 'none'}"
