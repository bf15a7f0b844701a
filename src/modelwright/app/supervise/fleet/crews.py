"""Who runs which unit, as values, and what is told of those that nobody runs; nothing is started here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from modelwright.app.supervise.fleet.bell import Bell
from modelwright.app.supervise.fleet.talk import Loaded
from modelwright.app.supervise.fleet.units import Unit
from modelwright.app.supervise.part import RunningPart
from modelwright.core.contracts.snapshot import SERVING, ProviderEntry
from modelwright.core.status import PartStatus


class Coming(NamedTuple):
    """What was prepared."""

    units: dict[str, Unit]
    crews: dict[str, list[RunningPart]]
    bells: dict[str, Bell]


def members(crews: dict[str, list[RunningPart]]) -> list[RunningPart]:
    """All parts of all units."""
    return [part for crew in crews.values() for part in crew]


def addressed(
    provider: ProviderEntry,
    crews: dict[str, list[RunningPart]],
    bells: dict[str, Bell],
    *,
    home: Mapping[str, str],
    off: Mapping[str, str],
) -> ProviderEntry:
    """A provider entry of ours with the sockets of those who answer, or why nobody does, which `off` may say."""
    if provider.kind != SERVING:
        return provider
    label = provider.name.removeprefix(f"{SERVING}:")
    name = home.get(label, label)
    crew = crews.get(name, [])
    if not crew and name in off:
        return msgspec.structs.replace(provider, base_urls=(), off=off[name])
    if name in bells:
        at = f"unix:{bells[name].door.path}"
        return msgspec.structs.replace(provider, base_urls=(at,), on_demand=True, asleep=not crew, off="")
    if not crew:
        return msgspec.structs.replace(provider, base_urls=(), off=f"load it: modelwright models load {name}")
    return msgspec.structs.replace(provider, base_urls=tuple(f"unix:{part.own.path}" for part in crew))


def as_refused(status: PartStatus) -> PartStatus:
    """The status of a part that should have taken over."""
    detail = f"the version before goes on serving, for the new one could not be started: {status.detail}"
    return msgspec.structs.replace(status, state="broken", detail=detail, pid=0, socket="")


def off(name: str, detail: str) -> PartStatus:
    """The status of a unit that nobody runs."""
    return PartStatus(name=f"{SERVING}-{name}", kind=SERVING, state="off", detail=detail)


def as_loaded(unit: Unit, crew: Sequence[RunningPart], *, off: str, waking: bool) -> list[Loaded]:
    """A unit's models in the repository extension's words; `off` says why it has no process, when it has none."""
    return [_as_loaded(model.model, model.version, crew, off=off, waking=waking) for model in unit.spec.models]


def _as_loaded(name: str, version: str, crew: Sequence[RunningPart], *, off: str, waking: bool) -> Loaded:
    states = {part.machine.state: part.machine.detail for part in crew}
    if "ready" in states:
        return Loaded(name=name, version=version, state="READY")
    if "starting" in states or waking:
        return Loaded(name=name, version=version, state="LOADING")
    return Loaded(name=name, version=version, state="UNAVAILABLE", reason="; ".join(states.values()) or off)
