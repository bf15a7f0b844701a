"""What releases are called, which one a rollback goes to, and what served when; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from modelwright.core.deploying.observed import Observed, Served, Stored
from modelwright.core.deploying.trials import ALL
from modelwright.core.deploying.workloads import Desired, digest_of
from modelwright.core.errors.deploying import NoWayBack
from modelwright.deploy.homes import description, on_trial

_NAME = re.compile(r"r([1-9][0-9]*)")


def name_of(desired: Desired, observed: Observed) -> str:
    """That of the release which is just this, when it serves or is on trial; otherwise the next one."""
    digest = digest_of(desired)
    for name in (observed.current, on_trial(observed)):
        known = description(observed, name)
        if known is not None and digest_of(known) == digest:
            return name
    names = (*(one.name for one in observed.releases), *(one.release for one in observed.instances))
    numbers = [int(found[1]) for name in names if (found := _NAME.fullmatch(name))]
    return f"r{max(numbers, default=0) + 1}"


def way_back(observed: Observed, history: Sequence[Served], *, release: str = "") -> Stored:
    """Where a rollback goes: to `release`, or away from what is on trial, or to what served before.

    Raises NoWayBack when it is not there any more, or is not whole.
    """
    known = {one.name: one for one in observed.releases}
    if not release:
        before = [one.release for one in history if one.share == ALL and one.release in known]
        trial = on_trial(observed)
        release = observed.current if trial else next((name for name in before if name != observed.current), "")
    if not release:
        raise NoWayBack("no release served before this one", hint="deploy what should serve")
    if release not in known:
        names = ", ".join(known) or "none"
        raise NoWayBack(f"{release} is not known here", hint=f"these are: {names}", place=release)
    if lacks := known[release].missing:
        what = f"{', '.join(lacks)} {'is' if len(lacks) == 1 else 'are'} missing"
        hint = "bring it back, or deploy what should serve"
        raise NoWayBack(f"nothing was changed: {what}", hint=hint, place=release)
    return known[release]


def served_at(history: Sequence[Served], at: float) -> tuple[Served, ...]:
    """What answered then: a release on trial, if there was one, and the one that was current; newest first."""
    found: list[Served] = []
    for one in history:
        if one.at > at:
            continue
        if one.share == ALL:
            return (*found, one)
        if not found:
            found.append(one)
    return tuple(found)
