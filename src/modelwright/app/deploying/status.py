"""How an environment stands: what runs there, since when and by whom, and what is not as it should be."""

from __future__ import annotations

from typing import Literal

import msgspec

from modelwright.app.deploying.journeys import Journeys, Standing
from modelwright.core.deploying.observed import State
from modelwright.core.deploying.steps import Change
from modelwright.core.deploying.workloads import Desired, Kind
from modelwright.core.errors.starting import NotRunning
from modelwright.core.errors.tree import ModelwrightError
from modelwright.deploy.homes import description
from modelwright.deploy.standing.strays import Stray, strays


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """One instance."""

    name: str
    kind: Kind | Literal[""]
    """Empty: no release has its workload."""
    state: State
    since: float
    """Unix seconds by the target's clock; 0: it does not run."""
    restarts: int
    release: str
    """Empty for what lasts."""
    image: str
    host: str = ""
    """That it runs on, where the target has several."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    project: str
    environment: str
    release: str
    """That serves."""
    since: float
    """Unix seconds."""
    who: str
    where: str
    why: str
    trial: str
    """The release on trial; empty: none."""
    open: str
    """That of a deploy which has not ended; empty: none."""
    edge: str
    """Kind of the program in front; empty: there is none."""
    traffic: dict[str, dict[str, int]]
    """By route: shares of releases, in percent."""
    instances: tuple[Ran, ...]
    drift: tuple[Change, ...]
    """What is not as its release says; a deploy mends it."""
    strays: tuple[Stray, ...]
    """What no release accounts for."""
    ahead: tuple[Change, ...] | None
    """What a deploy of this manifest would change; None: that cannot be told."""
    trouble: str = ""
    """Why it cannot."""


async def told(journeys: Journeys) -> tuple[Told, Standing]:
    """A manifest or a machine that cannot say what a deploy would do is told. Raises NotRunning, TargetUnreachable."""
    standing, history = await journeys.standing(), await journeys.history()
    seen = standing.observed
    current = description(seen, seen.current)
    if current is None:
        raise NotRunning("nothing was deployed there", hint="modelwright deploy")
    served = next((one for one in history if one.release == seen.current), None)
    ahead, trouble = await _ahead(journeys)
    found = Told(
        project=current.project,
        environment=current.environment,
        release=seen.current,
        since=served.at if served is not None else 0.0,
        who=served.who if served is not None else "",
        where=served.where if served is not None else "",
        why=served.why if served is not None else "",
        trial=standing.trial,
        open=standing.open.plan.release if standing.open is not None else "",
        edge=current.edge if any(one.kind == "edge" for one in current.workloads) else "",
        traffic=seen.traffic,
        instances=_ran(standing, current),
        drift=standing.drift.changes if standing.drift is not None else (),
        strays=tuple(strays(seen)),
        ahead=ahead,
        trouble=trouble,
    )
    return found, standing


async def _ahead(journeys: Journeys) -> tuple[tuple[Change, ...] | None, str]:
    try:
        return (await journeys.plan()).changes, ""
    except ModelwrightError as error:
        return None, str(error)


def _ran(standing: Standing, current: Desired) -> tuple[Ran, ...]:
    """What lasts first, in the order of names."""
    seen = standing.observed
    described = (*(one.desired for one in reversed(seen.releases)), current)
    kinds: dict[str, Kind | Literal[""]] = {work.name: work.kind for desired in described for work in desired.workloads}
    ordered = sorted(seen.instances, key=lambda one: (bool(one.release), one.name))
    return tuple(
        Ran(
            name=one.name,
            kind=kinds.get(one.workload, ""),
            state=one.state,
            since=one.since,
            restarts=one.restarts,
            release=one.release,
            image=one.image,
            host=one.host,
        )
        for one in ordered
    )
