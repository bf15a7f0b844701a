"""What a person should know before a plan is carried out."""

from __future__ import annotations

from collections.abc import Iterator

from modelwright.core.deploying.observed import Observed
from modelwright.core.deploying.workloads import Desired, digest_of
from modelwright.core.quantities import told_size
from modelwright.deploy.firewall import openings
from modelwright.deploy.homes import LIVE, description, homes, on_trial, released


def notices(desired: Desired, observed: Observed, release: str) -> Iterator[str]:
    """Downtime, missing devices, an earlier trial that ends, a rollback that will not exist, what stays behind."""
    home = homes(desired, observed, release)
    fresh = [one for one in released(desired) if home[one.name] == release]
    needed = sum(one.gpu * one.replicas for one in fresh)
    if needed > observed.gpus:
        yield f"{needed} GPUs are wanted beside what runs, and {observed.gpus} are free"
    yield from _room(desired, observed)
    trial = on_trial(observed)
    if trial not in {"", release}:
        yield f"the trial of {trial} ends: it gets no traffic any more"
    yield from _away(desired, observed)
    yield from _opened(desired, description(observed, observed.current))
    yield from _reaching(desired, description(observed, observed.current))
    yield from _way_back(desired, observed, release)
    known = description(observed, observed.current)
    names = {one.name for one in desired.workloads}
    for old in known.workloads if known else ():
        if old.lasting and old.name not in names:
            yield f"{old.name} is not wanted any more; it goes on running, and its data stay: remove it by hand"


def _away(desired: Desired, observed: Observed) -> Iterator[str]:
    for workload in desired.workloads:
        running = [one for one in observed.instances if one.workload == workload.name and one.state in LIVE]
        if workload.lasting and running and all(one.digest != digest_of(workload) for one in running):
            yield f"{workload.name} is stopped and started again: what needs it waits meanwhile"


def _opened(desired: Desired, before: Desired | None) -> Iterator[str]:
    known = openings(before) if before else ()
    yield from (str(one) for one in openings(desired) if one not in known)


def _reaching(desired: Desired, before: Desired | None) -> Iterator[str]:
    """Services are on a network of their own, but these."""
    known = {one.name for one in before.workloads if one.outside or one.exposed} if before else set[str]()
    for one in desired.workloads:
        if (one.outside or one.exposed) and one.name not in known:
            yield f"{one.name} is on the edge's network, too: it can reach what is outside of the host"


def _way_back(desired: Desired, observed: Observed, release: str) -> Iterator[str]:
    current = observed.current
    if current in {"", release}:
        return
    if desired.keep < 2:
        yield f"no rollback to {current} will be possible: one release is kept"
    for one in observed.releases:
        if one.name == current and one.missing:
            yield f"a rollback to {one.name} will not be possible: {', '.join(one.missing)} is missing"


def _room(desired: Desired, observed: Observed) -> Iterator[str]:
    """For data that are not there yet; of those that are, nobody knows how far they will grow."""
    mounts = [mount for workload in desired.workloads for mount in workload.mounts]
    wanted = sum(mount.size for mount in mounts if mount.volume not in observed.volumes)
    if wanted > observed.disk > 0:
        yield f"services want {told_size(wanted)} of disk, and {told_size(observed.disk)} are free"
