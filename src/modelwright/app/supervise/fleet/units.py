"""What is scaled, switched and unloaded as one: a version of a model and the processes that it shall have; values."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from modelwright.app.parts import PartSpec
from modelwright.app.snapshot import worker_name
from modelwright.core.scaling import ScaleRule


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a model with what each of its processes is handed."""

    name: str
    """`digits`, or `digits@v2` for a version beside it."""
    spec: PartSpec
    """Without a name of its own."""
    scale: ScaleRule = ScaleRule()
    shares: bool = False
    """Its threads are its share of what the machine has."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What it answers for: itself, or the models of a group."""
        return tuple(one.model for one in self.spec.group) or (self.name,)

    @property
    def on_demand(self) -> bool:
        """Its first call starts it."""
        return self.scale.least == 0

    @property
    def replicas(self) -> int:
        """How many there are from the start."""
        return self.scale.least

    def is_as(self, other: Unit) -> bool:
        """Whether its processes may stay as they are: a new share of the cores is no reason to load anew."""
        return self._essence() == other._essence()

    def replica(self, taken: Collection[str]) -> PartSpec:
        """The spec of one more process, under the first number that none of `taken` has."""
        number = next(number for number in range(len(taken) + 1) if worker_name(self.name, number) not in taken)
        return msgspec.structs.replace(self.spec, name=worker_name(self.name, number))

    def _essence(self) -> Unit:
        model = self.spec.model
        if model is not None:
            model = msgspec.structs.replace(model, marks="", threads=0 if self.shares else model.threads)
        group = tuple(msgspec.structs.replace(one, marks="") for one in self.spec.group)
        spec = msgspec.structs.replace(self.spec, release="", log_level="", model=model, group=group)
        return msgspec.structs.replace(self, spec=spec, scale=ScaleRule(least=min(1, self.scale.least)))


def homes(units: Mapping[str, Unit]) -> dict[str, str]:
    """The unit of each model and version."""
    return {label: unit.name for unit in units.values() for label in unit.labels}


def meant(name: str, units: Mapping[str, Unit]) -> str:
    """The unit of this name; the version that stands first may be named as `name@version`, as others are."""
    first, at, version = name.partition("@")
    model = units[first].spec.model if at and first in units else None
    return first if model is not None and model.version == version else name


def unknown(name: str, units: Mapping[str, Unit]) -> str:
    """What is said of a name that no unit has."""
    group = homes(units).get(name)
    if group is not None:
        return f"there is no model {name!r} by itself: it shares the process of the group {group}"
    return f"there is no model {name[:80]!r}; there is {', '.join(units) or 'none'}"
