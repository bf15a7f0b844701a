"""From what should be there and what was seen: the steps between, in order; empty when there is nothing to do."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

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
    Watch,
)
from modelwright.core.deploying.trials import ALL, Rise
from modelwright.core.deploying.workloads import Desired, Route, Workload, digest_of
from modelwright.deploy.changes import changes
from modelwright.deploy.homes import LIVE, description, homes, identities, peers, released, stable, wanted
from modelwright.deploy.notices import notices
from modelwright.deploy.placement import complete, lasting_place, placed, without

Shares = dict[str, dict[str, int]]

_LONG = 900.0
"""Seconds that an image or weights may take to come."""
_LATE = 15.0
"""Seconds more than a gate's own deadline, which has more to tell."""
_GRACE = 30.0
"""Seconds for what nobody describes any more."""
_OTHERS = 60.0
"""Seconds for all that a step does beside waiting for running calls to end."""


def planned(desired: Desired, observed: Observed, *, release: str, rise: Rise) -> Plan:
    """The plan that makes it so; `release` is the name of what is desired now."""
    now = _Move(desired, observed, release=release, rise=rise)
    steps = (*_lasting(desired, observed, release), *now.steps())
    known = any(one.name == release for one in observed.releases)
    return Plan(
        project=desired.project,
        environment=desired.environment,
        release=release,
        world=world(observed),
        steps=(
            *_brought(desired.workloads, now.places, observed),
            Place(release=release, desired=desired, known=known),
            *steps,
        )
        if steps
        else (),
        changes=tuple(changes(desired, observed, release)) if steps else (),
        notices=tuple(notices(desired, observed, release)) if steps else (),
    )


def world(observed: Observed) -> str:
    """Digest of what a plan rests on; states that come and go by themselves are not part of it."""
    still = [
        (one.name, one.workload, one.release, one.digest, *([one.host] if one.host else ()))
        for one in observed.instances
        if one.state != "stopped"
    ]
    rests = (sorted(still), observed.traffic, observed.current, [one.name for one in observed.releases])
    if observed.hosts:
        rests = (*rests, [one.name for one in observed.hosts])
    return "sha256:" + hashlib.sha256(msgspec.json.encode(rests, order="sorted")).hexdigest()


def _lasting(desired: Desired, observed: Observed, release: str) -> Iterator[Step]:
    """Services and the edge: only those whose own description has changed, or that are not there."""
    there = {one.workload: one for one in observed.instances if not one.release}
    changed = [one for one in desired.workloads if one.lasting and not _stands(one, there.get(one.name))]
    for together in _rounds(changed):
        for workload in together:
            old = there.get(workload.name)
            before = old.digest if old is not None else ""
            deadline = _stopping(max(workload.grace, _grace_by(before, observed)))
            digest = digest_of(workload)
            yield Keep(workload=workload.name, release=release, digest=digest, before=before, deadline=deadline)
        yield from _proven({one.name: "" for one in together}, together)


def _stands(workload: Workload, there: Instance | None) -> bool:
    return there is not None and there.state in LIVE and there.digest == digest_of(workload)


class _Move:
    """From the instances that answer to those that shall."""

    def __init__(self, desired: Desired, observed: Observed, *, release: str, rise: Rise) -> None:
        self._desired, self._observed, self._release, self._rise = desired, observed, release, rise
        self._home = homes(desired, observed, release)
        self._stable = stable(observed)
        self._shares = wanted(desired, self._home)
        self._known = identities(desired)
        self.places = {one.name: self._places(one) for one in desired.workloads}
        """By workload, hosts of its instances."""

    def steps(self) -> Iterator[Step]:
        """Start, prove, let traffic over, say so, and let what is not needed any more go."""
        whole = self._rise.steps[-1] == ALL or not self._divided()
        starting = tuple(self._starting())
        if not whole and not starting and self._observed.traffic == self._at(self._rise.steps[-1]):
            return
        yield from starting
        yield from self._shifting()
        if whole:
            if self._observed.current != self._release:
                yield Record(release=self._release, before=self._observed.current)
            yield from self._leaving()

    def _starting(self) -> Iterator[Step]:
        fresh = [one for one in released(self._desired) if not self._runs(one)]
        known = {one.name for one in self._observed.releases}
        for workload in (one for together in _rounds(fresh) for one in together):
            if workload.before and self._release not in known and self._home[workload.name] == self._release:
                yield Run(workload=workload.name, release=self._release, deadline=_LONG)
        for together in _rounds(fresh):
            yield from map(self._start, together)
            yield from _proven(self._home, together)

    def _start(self, workload: Workload) -> Start:
        name, home = workload.name, self._home[workload.name]
        return Start(
            workload=name,
            release=home,
            replicas=workload.replicas,
            digest=self._known[name],
            peers=peers(workload, self._home),
            hosts=self.places[name],
            known=any((one.workload, one.release) == (name, home) for one in self._observed.instances),
            deadline=_stopping(workload.grace),
        )

    def _runs(self, workload: Workload) -> bool:
        name = workload.name
        return complete(workload, self._observed, release=self._home[name], digest=self._known[name])

    def _places(self, workload: Workload) -> tuple[str, ...]:
        if workload.lasting:
            return lasting_place(self._observed)
        name = workload.name
        return placed(workload, self._observed, release=self._home[name], digest=self._known[name])

    def _shifting(self) -> Iterator[Step]:
        old = self._observed.traffic
        known = description(self._observed, self._observed.current)
        routes = old_routes = tuple(route for route in (known.routes if known else ()) if route.name in old)
        shares, rise, trusted = old, self._rise, known.trusted if known else ()
        for percent in rise.steps if self._divided() else (ALL,):
            then, after, told = self._at(percent), self._routes(percent, old_routes), self._desired.trusted
            if (then, after, told) != (shares, routes, trusted):
                yield Shift(
                    routes=after, shares=then, trusted=told, old_routes=routes, old_shares=shares, old_trusted=trusted
                )
            shares, routes, trusted = then, after, told
            if percent < ALL:
                yield Record(release=self._release, before=self._observed.current, share=percent)
                if rise.pause:
                    yield self._watch(percent)

    def _watch(self, percent: int) -> Watch:
        rise = self._rise
        return Watch(
            release=self._release,
            stable=self._observed.current,
            share=percent,
            seconds=rise.pause,
            rules=rise.rules,
            deadline=rise.pause + rise.rules.wait + 60.0,
        )

    def _divided(self) -> bool:
        """Whether there is a route whose traffic can be divided between what answers and what shall."""
        return any(self._before(route) for route in self._desired.routes)

    def _before(self, route: Route) -> str:
        """The release that answers a route until now, where it is another one than shall."""
        if route.name not in self._observed.traffic or route.name not in self._shares:
            return ""
        name = self._stable.get(route.workload, "")
        return name if name not in self._shares[route.name] else ""

    def _at(self, percent: int) -> Shares:
        """Shares when the new release has this much: nothing of an earlier trial is in them."""
        if percent == ALL:
            return self._shares
        shares = {name: weights for name, weights in self._observed.traffic.items() if name not in self._shares}
        for route in self._desired.routes:
            new, before = self._shares.get(route.name, {}), self._before(route)
            shares[route.name] = {**dict.fromkeys(new, percent), before: ALL - percent} if before else new
        return shares

    def _routes(self, percent: int, old: Sequence[Route]) -> tuple[Route, ...]:
        """Those that are to go stay as long as the release before has a share."""
        names = {route.name for route in self._desired.routes}
        return (*self._desired.routes, *(route for route in old if route.name not in names and percent < ALL))

    def _leaving(self) -> Iterator[Step]:
        """What served before finishes its calls and goes, and so does what nobody can go back to any more."""
        here = {*self._home.items()}
        for workload, name in self._outward(one for one in self._observed.instances if one.release):
            if (workload, name) not in here:
                deadline = _stopping(self._grace(workload, name))
                yield Drain(workload=workload, release=name, deadline=deadline)
                yield Retire(workload=workload, release=name, deadline=deadline)
        names = [one.name for one in self._observed.releases if one.name != self._release]
        names.sort(key=lambda name: name != self._observed.current)
        kept = {self._release, *names[: max(0, self._desired.keep - 1)], *self._home.values(), *self._describing()}
        gone = tuple(name for name in names if name not in kept)
        if gone and self._observed.current != self._release:
            yield Prune(releases=gone)

    def _describing(self) -> Iterator[str]:
        """Releases that say what a running workload which lasts is, though the manifest may not name it any more."""
        for digest in {one.digest for one in self._observed.instances if not one.release}:
            for stored in self._observed.releases:
                if any(digest_of(workload) == digest for workload in stored.desired.workloads):
                    yield stored.name
                    break

    @staticmethod
    def _outward(instances: Iterable[Instance]) -> Iterator[tuple[str, str]]:
        """Workloads and releases of instances: what reaches others before them."""
        reach: dict[tuple[str, str], set[tuple[str, str]]] = {}
        for one in instances:
            reach.setdefault((one.workload, one.release), set()).update(one.peers.items())
        while reach:
            reached = set[tuple[str, str]]().union(*reach.values())
            free = [each for each in reach if each not in reached] or [*reach]
            for each in free:
                del reach[each]
            yield from free

    def _grace(self, workload: str, release: str) -> float:
        desired = description(self._observed, release)
        return next((one.grace for one in desired.workloads if one.name == workload), _GRACE) if desired else _GRACE


def _stopping(grace: float) -> float:
    """A deadline for what waits for streams to end and then for a program, each as long as its grace."""
    return 2 * grace + _OTHERS


def _grace_by(digest: str, observed: Observed) -> float:
    """That of a workload by this description; 0 when nobody knows it."""
    works = (work for stored in observed.releases for work in stored.desired.workloads)
    return next((work.grace for work in works if digest_of(work) == digest), 0.0)


def _brought(workloads: Sequence[Workload], places: Mapping[str, Sequence[str]], observed: Observed) -> Iterator[Step]:
    """Before files are placed: an image says whose its secrets are. What any host has, the first one has, too."""
    images, volumes = dict[str, set[str]](), dict[tuple[str, str], set[str]]()
    for workload in workloads:
        hosts = {*places[workload.name], *lasting_place(observed)}
        images.setdefault(workload.image, set()).update(hosts)
        for mount in workload.mounts:
            if mount.volume and mount.digest:
                volumes.setdefault((mount.volume, mount.digest), set()).update(hosts)
    for image, wanted_on in images.items():
        hosts = _in_order_of_hosts(wanted_on, observed)
        if without(observed, hosts, image=image):
            yield Bring(image=image, hosts=hosts, deadline=_LONG)
    for (volume, digest), wanted_on in volumes.items():
        hosts = _in_order_of_hosts(wanted_on, observed)
        if without(observed, hosts, volume=(volume, digest)):
            yield Fill(volume=volume, digest=digest, hosts=hosts, deadline=_LONG)


def _in_order_of_hosts(names: Collection[str], observed: Observed) -> tuple[str, ...]:
    return tuple(one.name for one in observed.hosts if one.name in names)


def _proven(home: Mapping[str, str], workloads: Iterable[Workload]) -> Iterator[Prove]:
    for one in workloads:
        if one.gate is not None:
            yield Prove(workload=one.name, release=home[one.name], gate=one.gate, deadline=one.gate.deadline + _LATE)


def _rounds(workloads: Iterable[Workload]) -> Iterator[list[Workload]]:
    """Each behind those that it waits for, and beside those that it does not; in a circle, all of them together."""
    left = [*workloads]
    while left:
        names = {one.name for one in left}
        ready = [one for one in left if not names.intersection(one.after)] or left
        yield ready
        left = [one for one in left if one not in ready]
