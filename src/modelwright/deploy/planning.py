"""From what should be there and what was seen: the steps between, in order; empty when there is nothing to do."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import msgspec

from modelwright.core.deploying.observed import Instance, Observed
from modelwright.core.deploying.steps import (
    Bring,
    Drain,
    Fill,
    Keep,
    Place,
    Plan,
    Prove,
    Prune,
    Record,
    Retire,
    Run,
    Shift,
    Start,
    Step,
)
from modelwright.core.deploying.workloads import Desired, Workload, digest_of

ALL = 100
"""Weights of a route sum to this."""
_LONG = 900.0
"""Seconds that an image or weights may take to come."""


class Rise(msgspec.Struct, frozen=True, kw_only=True):
    """How traffic goes over to a new release."""

    steps: tuple[int, ...] = (ALL,)
    """Percent, rising to 100; a canary ends below that and stays."""
    pause: float = 0.0
    """Seconds between two of them."""


def planned(desired: Desired, observed: Observed, *, release: str, rise: Rise) -> Plan:
    """The plan that makes it so; `release` is the name of what is desired now."""
    changed = _changed(desired, observed, release)
    steps = (
        *_lasting(desired, observed, release),
        *(_replacing(desired, observed, release=release, rise=rise) if changed else ()),
    )
    return Plan(
        project=desired.project,
        environment=desired.environment,
        release=release,
        world=world(observed),
        steps=(Place(release=release, desired=desired), *steps) if steps else (),
        notices=tuple(_notices(desired, observed)) if steps else (),
    )


def world(observed: Observed) -> str:
    """Digest of what a plan rests on; states that come and go by themselves are not part of it."""
    still = [(one.name, one.workload, one.release, one.digest) for one in observed.instances if one.state != "stopped"]
    rests = (sorted(still), observed.traffic, observed.current, [one.name for one in observed.releases])
    return "sha256:" + hashlib.sha256(msgspec.json.encode(rests, order="sorted")).hexdigest()


def _changed(desired: Desired, observed: Observed, release: str) -> bool:
    """Whether what serves is anything but this release, whole and by itself."""
    if observed.current != release:
        return True
    whole = all(
        sum(_runs(one, workload, release) for one in observed.instances) == workload.replicas
        for workload in _released(desired)
    )
    alone = all(shares == {release: ALL} for shares in observed.traffic.values())
    return not (whole and alone and {route.name for route in desired.routes} <= {*observed.traffic})


def _runs(instance: Instance, workload: Workload, release: str) -> bool:
    mine = instance.workload == workload.name and instance.release == release
    return mine and instance.state in {"starting", "ready"} and instance.digest == digest_of(workload)


def _lasting(desired: Desired, observed: Observed, release: str) -> Iterator[Step]:
    """Services and the edge: only those whose own description has changed, or that are not there."""
    running = {one.workload: one.digest for one in observed.instances if one.state in {"starting", "ready"}}
    for workload in _in_order([one for one in desired.workloads if one.lasting]):
        digest = digest_of(workload)
        if running.get(workload.name) == digest:
            continue
        yield from _brought([workload], observed)
        yield Keep(workload=workload.name, release=release, digest=digest, before=running.get(workload.name, ""))
        if workload.gate is not None:
            yield Prove(workload=workload.name, release="", gate=workload.gate, deadline=workload.gate.deadline)


def _replacing(desired: Desired, observed: Observed, *, release: str, rise: Rise) -> Iterator[Step]:
    workloads = _in_order(_released(desired))
    yield from _brought(workloads, observed)
    for workload in workloads:
        if workload.before and release != observed.current:
            yield Run(workload=workload.name, release=release, deadline=_LONG)
    for workload in workloads:
        yield Start(workload=workload.name, release=release, replicas=workload.replicas)
        if workload.gate is not None:
            yield Prove(workload=workload.name, release=release, gate=workload.gate, deadline=workload.gate.deadline)
    yield from _shifts(desired, observed, release=release, rise=rise)
    yield Record(release=release, before=observed.current)
    if rise.steps[-1] == ALL:
        yield from _leaving(desired, observed, release)


def _shifts(desired: Desired, observed: Observed, *, release: str, rise: Rise) -> Iterator[Step]:
    routes = tuple(route.name for route in desired.routes)
    before = next(iter(observed.traffic.values()), {})
    others = [name for name in before if name != release]
    if not routes:
        return
    shares = before
    for percent in rise.steps if others else (ALL,):
        now = {release: percent} if percent == ALL else {release: percent, others[0]: ALL - percent}
        pause = 0.0 if percent == ALL else rise.pause
        yield Shift(routes=routes, shares=now, before=shares, pause=pause, deadline=60.0 + pause)
        shares = now


def _leaving(desired: Desired, observed: Observed, release: str) -> Iterator[Step]:
    """What served before finishes its calls and goes."""
    graces = {workload.name: workload.grace for workload in desired.workloads}
    old = dict.fromkeys((one.workload, one.release) for one in observed.instances if one.release not in {"", release})
    for workload, name in old:
        grace = graces.get(workload, 30.0)
        yield Drain(workload=workload, release=name, deadline=grace + 60.0)
        yield Retire(workload=workload, release=name, deadline=grace + 60.0)
    kept = [one.name for one in observed.releases if one.name != release][: max(0, desired.keep - 1)]
    gone = tuple(one.name for one in observed.releases if one.name not in {*kept, release})
    if gone:
        yield Prune(releases=gone)


def _brought(workloads: Sequence[Workload], observed: Observed) -> Iterator[Step]:
    for image in dict.fromkeys(workload.image for workload in workloads):
        if image not in observed.images:
            yield Bring(image=image, deadline=_LONG)
    volumes = {mount.volume: mount.digest for workload in workloads for mount in workload.mounts if mount.volume}
    for volume, digest in volumes.items():
        if observed.volumes.get(volume) != digest:
            yield Fill(volume=volume, digest=digest, deadline=_LONG)


def _released(desired: Desired) -> list[Workload]:
    return [workload for workload in desired.workloads if not workload.lasting]


def _in_order(workloads: Sequence[Workload]) -> list[Workload]:
    """Each behind those that it waits for; in a circle, as they stand."""
    left, ordered, names = [*workloads], list[Workload](), {one.name for one in workloads}
    while left:
        behind = {one.name for one in ordered}
        ready = [one for one in left if not {*one.after} & names - behind] or left
        ordered += ready
        left = [one for one in left if one not in ready]
    return ordered


def _notices(desired: Desired, observed: Observed) -> Iterator[str]:
    wanted = sum(one.gpu * one.replicas for one in _released(desired))
    if wanted > observed.gpus:
        yield f"{wanted} GPUs are wanted beside what runs, and {observed.gpus} are free"
    for one in observed.releases:
        if one.name == observed.current and one.missing:
            yield f"a rollback to {one.name} will not be possible: {', '.join(one.missing)} is missing"
    for workload in desired.workloads:
        running = [one for one in observed.instances if one.workload == workload.name]
        if workload.lasting and running and all(one.digest != digest_of(workload) for one in running):
            yield f"{workload.name} is stopped and started again: what needs it waits meanwhile"
