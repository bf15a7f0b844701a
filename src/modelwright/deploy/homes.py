"""Which instances answer for a workload: those of the release that is deployed, or older ones just like them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from modelwright.core.deploying.observed import Instance, Observed
from modelwright.core.deploying.trials import ALL
from modelwright.core.deploying.workloads import Desired, Workload, digest_of

LIVE = frozenset({"starting", "ready"})
"""States of an instance that answers, or will."""


def released(desired: Desired) -> list[Workload]:
    """Those that every release may bring anew."""
    return [workload for workload in desired.workloads if not workload.lasting]


def identities(desired: Desired) -> dict[str, str]:
    """By workload: the digest that its instances are known by.

    What others of the release it reaches is part of it: an instance is bound to its peers as long as it runs, so it is
    another one when they are. What lasts is reached by its name, whatever it is.
    """
    own = {workload.name: workload for workload in released(desired)}
    digests = {workload.name: digest_of(workload) for workload in desired.workloads}
    return {name: _joined(digests, _reached(name, own)) if name in own else digests[name] for name in digests}


def homes(desired: Desired, observed: Observed, release: str) -> dict[str, str]:
    """By workload: the release whose instances answer for it.

    One that runs it in the same way already: what has not changed is not started again. Otherwise `release`.
    """
    known = identities(desired)
    return {each.name: _home(each.name, known[each.name], observed) or release for each in released(desired)}


def peers(workload: Workload, home: dict[str, str]) -> dict[str, str]:
    """Where the others are at home that a workload reaches; what lasts is reached by its name anyhow."""
    return {name: home[name] for name in workload.after if name in home}


def living(name: str, digest: str, instances: Sequence[Instance], *, release: str) -> int:
    """How many instances of a workload run in a release, just as they should."""
    wanted_ones = (name, release, digest)
    return sum((one.workload, one.release, one.digest) == wanted_ones and one.state in LIVE for one in instances)


def stable(observed: Observed) -> dict[str, str]:
    """By workload: the release whose instances answer for the current one."""
    desired = description(observed, observed.current)
    return homes(desired, observed, observed.current) if desired is not None else {}


def on_trial(observed: Observed) -> str:
    """The release that has a share beside the current one; empty: none."""
    desired = description(observed, observed.current)
    if desired is None:
        return ""
    known = identities(desired)
    others = {
        release
        for route in desired.routes
        for release, weight in observed.traffic.get(route.name, {}).items()
        if weight and _identity(observed, release, route.workload) != known.get(route.workload)
    }
    return next((one.name for one in observed.releases if one.name in others), "")


def description(observed: Observed, release: str) -> Desired | None:
    """What a release is, if the target knows it."""
    return next((one.desired for one in observed.releases if one.name == release), None)


def wanted(desired: Desired, home: dict[str, str]) -> dict[str, dict[str, int]]:
    """By route: everything to where its workload is at home; what lasts has no release."""
    return {route.name: {home.get(route.workload, ""): ALL} for route in desired.routes}


def _home(name: str, digest: str, observed: Observed) -> str:
    serving = {release for shares in observed.traffic.values() for release, weight in shares.items() if weight}
    counts = {
        release: living(name, digest, observed.instances, release=release)
        for release in {one.release for one in observed.instances if one.workload == name}
    }
    best = max(counts, key=lambda release: (counts[release], release in serving, release), default="")
    return best if counts.get(best) else _missed(name, digest, observed)


def _missed(name: str, digest: str, observed: Observed) -> str:
    """Where a workload is looked for, of which nothing runs any more: by what reaches it, or by a route."""
    desired = description(observed, observed.current)
    routes = [route.name for route in desired.routes if route.workload == name] if desired else []
    by_peers = [one.peers[name] for one in observed.instances if name in one.peers]
    by_routes = [release for route in routes for release, weight in observed.traffic.get(route, {}).items() if weight]
    return next((release for release in (*by_peers, *by_routes) if _identity(observed, release, name) == digest), "")


def _identity(observed: Observed, release: str, name: str) -> str:
    desired = description(observed, release)
    return identities(desired).get(name, "") if desired is not None else ""


def _reached(name: str, workloads: dict[str, Workload]) -> list[Workload]:
    found, left = {name}, [name]
    while left:
        more = {*workloads[left.pop()].after} & {*workloads} - found
        found |= more
        left += more
    return [workloads[each] for each in sorted(found)]


def _joined(digests: dict[str, str], reached: Sequence[Workload]) -> str:
    parts = {each.name: digests[each.name] for each in reached}
    if len(parts) == 1:
        return next(iter(parts.values()))
    return "sha256:" + hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()
