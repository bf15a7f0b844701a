"""Which processes run the models now: another version comes up beside the old one, takes over, and the old one goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

import msgspec

from modelwright.app.parts import PartSpec
from modelwright.app.supervise.fleet.leaving import until_idle
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
        self._moved = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        for unit in units:
            self._crews[unit.name] = self._grown(unit, [], to=unit.replicas)

    @property
    def parts(self) -> list[RunningPart]:
        """All that have a process or may get one: in force, coming and leaving."""
        coming = self._coming[1] if self._coming is not None else {}
        found = [*_of(self._crews), *_of(coming), *self._leaving]
        return list(dict.fromkeys(found))

    @property
    def refused(self) -> tuple[PartStatus, ...]:
        """New versions that could not be started; the old ones serve."""
        return self._refused

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
    crew = crews.get(provider.name.removeprefix(f"{SERVING}:"), [])
    return msgspec.structs.replace(provider, base_urls=tuple(f"unix:{part.own.path}" for part in crew))


def _as_refused(status: PartStatus) -> PartStatus:
    detail = f"the version before goes on serving, for the new one could not be started: {status.detail}"
    return msgspec.structs.replace(status, state="broken", detail=detail, pid=0, socket="")
