"""`modelwright status --env NAME`: what is deployed there, and what is not as it should be."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from modelwright.cli.deploys import facts, run
from modelwright.cli.releases import notes, shown
from modelwright.cli.status import STYLES, WIDE, console_for, duration

if TYPE_CHECKING:
    from rich.table import Table

    from modelwright.app.deploying.journeys import Journeys, Standing
    from modelwright.app.deploying.status import Told

COLUMNS = ("instance", "kind", "state", "for", "restarts", "release", "image")


def environment_status(file: Path, env: str, *, as_json: bool) -> None:
    """Of one environment."""

    async def journey(journeys: Journeys) -> tuple[Told, Standing]:
        from modelwright.app.deploying.status import told

        return await told(journeys)

    found, standing = run(journey, file=file, env=env, quiet=as_json)
    if as_json:
        facts(found)
        return
    console = console_for(WIDE)
    console.print(headline(found), soft_wrap=True)
    console.print()
    console.print(table(found, now=time.time()))
    console.print()
    for line in (*traffic(found), *notes(standing), *trouble(found)):
        console.print(line, soft_wrap=True)


def headline(found: Told) -> str:
    """Which release, since when, by whom and why."""
    by = f", by {found.who} on {found.where}" if found.who else ""
    why = f": {found.why}" if found.why else ""
    since = f" since {shown(found.since)}" if found.since else ""
    return f"{found.project} ({found.environment}): {found.release} serves{since}{by}{why}"


def table(found: Told, *, now: float) -> Table:
    """A row for each instance."""
    from rich.table import Table
    from rich.text import Text

    from modelwright.deploy.telling import short

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    columns = (*COLUMNS, *(["host"] if any(one.host for one in found.instances) else ()))
    for name in columns:
        right = name in {"for", "restarts"}
        grid.add_column(name, justify="right" if right else "left", no_wrap=True, overflow="fold")
    for one in found.instances:
        since = duration(now - one.since) if one.since else ""
        cells = (one.name, one.kind, one.state, since, str(one.restarts), one.release, short(one.image), one.host)
        styles = {"state": STYLES.get(one.state, "yellow")}
        grid.add_row(*(Text(cell, style=styles.get(name, "")) for name, cell in zip(columns, cells, strict=False)))
    return grid


def traffic(found: Told) -> Iterator[str]:
    """How each route divides it; what lasts has no release."""
    for route, shares in found.traffic.items():
        parts = ", ".join(f"{release} {share} %".strip() for release, share in shares.items() if share)
        yield f"route {route} ({found.edge}): {parts or 'nothing'}" if found.edge else f"route {route}: {parts}"


def trouble(found: Told) -> Iterator[str]:
    """What no release accounts for, and what a deploy of this manifest would change, a line each."""
    from modelwright.deploy.telling import change_lines

    for stray in found.strays:
        yield f"! {stray.name} is none of ours: {stray.problem}; remove it by hand"
    if found.ahead is None:
        yield f"what a deploy of this manifest would change cannot be told: {found.trouble}"
    elif not found.ahead:
        yield "a deploy of this manifest has nothing to do"
    else:
        yield "a deploy of this manifest would change:"
        yield from (next(change_lines(change)) for change in found.ahead)
