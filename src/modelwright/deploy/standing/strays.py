"""What runs under a project's name and was never started so: made or changed by hand, or left behind; pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from modelwright.core.deploying.observed import Observed
from modelwright.deploy.homes import identities


class Stray(msgspec.Struct, frozen=True, kw_only=True):
    """One instance that no release accounts for."""

    name: str
    problem: str


def strays(observed: Observed) -> Iterator[Stray]:
    """In the order of the instances. A deploy looks at what runs by its description, and takes these for nothing."""
    images: dict[str, dict[str, str]] = {}
    for stored in observed.releases:
        digests = identities(stored.desired)
        for work in stored.desired.workloads:
            images.setdefault(work.name, {})[digests[work.name]] = work.image
    for one in observed.instances:
        known = images.get(one.workload)
        if known is None:
            yield Stray(name=one.name, problem=f"no release has a workload {one.workload}")
        elif one.digest not in known:
            yield Stray(name=one.name, problem=f"no release describes {one.workload} so")
        elif one.image and one.image != known[one.digest]:
            yield Stray(name=one.name, problem=f"it runs from {one.image}, and its release from {known[one.digest]}")
