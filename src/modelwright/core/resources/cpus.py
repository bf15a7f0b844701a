"""Which processors a process is bound to: those that the fewest others have; a pure rule, it binds nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from modelwright.core.resources.wants import Holding

FULL = 1.0
_CLOSE = 1e-9
"""Below this two shares are the same: sums of fractions are not exact."""


def choose_cpus(
    wanted: float, cpus: Sequence[int], *, held: Iterable[Holding], going: Iterable[Holding] = ()
) -> tuple[int, ...]:
    """As many of `cpus` as `wanted` says, a fraction counted as one more, which comes last and is shared.

    The least taken ones, then those with the least of who is `going`: an old version has to make room soon. Fractions
    go together as long as they fit. With more wanted than there are, all of them.
    """
    staying, leaving = loads(held), loads(going)
    fraction = wanted - int(wanted)
    shared = _shared(fraction, cpus, staying) if fraction > _CLOSE else ()
    left = sorted(
        (cpu for cpu in cpus if cpu not in shared),
        key=lambda cpu: (round(staying.get(cpu, 0.0), 6), round(leaving.get(cpu, 0.0), 6), cpu),
    )
    return (*sorted(left[: int(wanted)]), *shared)


def loads(holdings: Iterable[Holding]) -> dict[int, float]:
    """How much of each processor was given away; more than 1 where several have to share it."""
    found: dict[int, float] = {}
    for holding in holdings:
        rest = holding.wants.cpu
        for cpu in holding.given.cpus:
            found[cpu] = found.get(cpu, 0.0) + min(FULL, rest)
            rest -= FULL
    return found


def _shared(fraction: float, cpus: Sequence[int], load: Mapping[int, float]) -> tuple[int, ...]:
    """The fullest one that has room for it, otherwise the least taken one."""
    room = [cpu for cpu in cpus if load.get(cpu, 0.0) + fraction <= FULL + _CLOSE]
    if room:
        return (min(room, key=lambda cpu: (-round(load.get(cpu, 0.0), 6), cpu)),)
    return (min(cpus, key=lambda cpu: (round(load.get(cpu, 0.0), 6), cpu)),) if cpus else ()
