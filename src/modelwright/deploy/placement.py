"""On which of a target's hosts each instance of a workload runs; one that runs stays where it is."""

from __future__ import annotations

from collections.abc import Sequence

from modelwright.core.deploying.observed import Observed
from modelwright.core.deploying.workloads import Workload
from modelwright.deploy.homes import LIVE, living


def placed(workload: Workload, observed: Observed, *, release: str, digest: str) -> tuple[str, ...]:
    """By index; nothing where the target has no hosts of which we know.

    What is missing goes where the fewest are, the first of them in order: of a new release one after the other, around
    and around. `digest`: that the instances are known by.
    """
    at = {index: names[0] for index, names in _at(workload, observed, release=release, digest=digest).items()}
    hosts = [one.name for one in observed.hosts]
    for index in range(workload.replicas if hosts else 0):
        if index not in at:
            at[index] = min(hosts, key=lambda name: ([*at.values()].count(name), hosts.index(name)))
    return tuple(at[index] for index in range(workload.replicas) if index in at)


def complete(workload: Workload, observed: Observed, *, release: str, digest: str) -> bool:
    """Whether as many run as should, none of them twice."""
    if not observed.hosts:
        return living(workload.name, digest, observed.instances, release=release) == workload.replicas
    found = _at(workload, observed, release=release, digest=digest)
    return {*found} == {*range(workload.replicas)} and all(len(names) == 1 for names in found.values())


def lasting_place(observed: Observed) -> tuple[str, ...]:
    """Where services and the edge are."""
    return tuple(one.name for one in observed.hosts[:1])


def without(observed: Observed, hosts: Sequence[str], *, image: str = "", volume: tuple[str, str] = ("", "")) -> bool:
    """Whether an image, or a volume with this content, is missing on one of these hosts; without any, on the target."""
    name, digest = volume
    wanted = [one for one in observed.hosts if one.name in hosts] or [observed]
    return any(image not in one.images if image else one.volumes.get(name) != digest for one in wanted)


def _at(workload: Workload, observed: Observed, *, release: str, digest: str) -> dict[int, list[str]]:
    """By index: the hosts on which that instance runs, in the hosts' order."""
    wanted, order = (workload.name, release, digest), [one.name for one in observed.hosts]
    found = dict[int, list[str]]()
    for one in observed.instances:
        if (one.workload, one.release, one.digest) == wanted and one.state in LIVE and one.host in order:
            found.setdefault(one.index, []).append(one.host)
    return {index: sorted(names, key=order.index) for index, names in found.items()}
