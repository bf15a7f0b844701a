"""`modelwright releases`: what served when, what can be gone back to, and what is not as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from modelwright.cli.deploys import MANIFEST, Env, File, Json, facts, run

if TYPE_CHECKING:
    from rich.table import Table

    from modelwright.app.deploying.journeys import Journeys, Standing
    from modelwright.core.deploying.observed import Served

COLUMNS = ("release", "state", "since", "who", "from", "why")


def releases(
    *,
    file: File = MANIFEST,
    env: Env = None,
    at: Annotated[
        str, typer.Option(metavar="TIME", help="What served then, such as 2026-03-01T12:00 (UTC without an offset).")
    ] = "",
    as_json: Json = False,
) -> None:
    """List the releases of an environment, the newest first; with --at, tell what served at a time."""
    then = _time(at) if at else None

    async def journey(journeys: Journeys) -> tuple[Standing, Sequence[Served]]:
        return await journeys.standing(), await journeys.history()

    standing, history = run(journey, file=file, env=env, quiet=as_json)
    if then is not None:
        _tell_then(history, then, as_json=as_json)
    elif as_json:
        facts(_facts(standing, history))
    else:
        _print(standing, history)


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write such as 2026-03-01T12:00", param_hint="--at") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _tell_then(history: Sequence[Served], then: datetime, *, as_json: bool) -> None:
    from modelwright.deploy.releases import served_at

    found = served_at(history, then.timestamp())
    if as_json:
        facts(found)
        return
    if not found:
        print(f"nothing served at {shown(then.timestamp())}, as far as is known")
    for one in found:
        share = "" if one.share == 100 else f" with {one.share} %, on trial"
        print(f"{one.release}{share} since {shown(one.at)}, by {one.who} on {one.where}{_why(one)}")
        print(f"    {one.digest}")


def _facts(standing: Standing, history: Sequence[Served]) -> dict[str, Any]:
    seen = standing.observed
    return {
        "current": seen.current,
        "trial": standing.trial,
        "traffic": seen.traffic,
        "open": standing.open.plan.release if standing.open is not None else "",
        "drift": list(standing.drift.changes) if standing.drift is not None else [],
        "releases": [{"name": one.name, "missing": list(one.missing)} for one in seen.releases],
        "history": list(history),
    }


def _print(standing: Standing, history: Sequence[Served]) -> None:
    from modelwright.cli.status import WIDE, console_for

    console = console_for(WIDE)
    if not standing.observed.releases:
        console.print("nothing was deployed here yet")
    else:
        console.print(_table(standing, history))
    for line in notes(standing):
        console.print(line, soft_wrap=True)


def notes(standing: Standing) -> list[str]:
    """What is open, on trial, or not as it should be."""
    from modelwright.deploy.telling import change_lines

    found: list[str] = []
    if standing.open is not None:
        by = f" by {standing.begun.who} on {standing.begun.where}" if standing.begun is not None else ""
        found.append(f"a deploy of {standing.open.plan.release}{by} has not ended: modelwright resume, or abort")
    if standing.trial:
        found.append(f"{standing.trial} is on trial: modelwright promote, or abort")
    if standing.drift is not None:
        found.append(f"not as {standing.observed.current} says; a deploy mends it:")
        found += [line for change in standing.drift.changes for line in change_lines(change)]
    return found


def _table(standing: Standing, history: Sequence[Served]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in COLUMNS:
        table.add_column(name, no_wrap=name != "why")
    for stored in standing.observed.releases:
        served = next((one for one in history if one.release == stored.name), None)
        cells = (shown(served.at), served.who, served.where, served.why) if served is not None else ("",) * 4
        table.add_row(*(Text(cell) for cell in (stored.name, _state(standing, stored.name, stored.missing), *cells)))
    return table


def _state(standing: Standing, name: str, missing: Sequence[str]) -> str:
    if missing:
        return f"{', '.join(missing)} missing"
    return {standing.observed.current: "serves", standing.trial: "on trial"}.get(name, "kept")


def shown(at: float) -> str:
    """A time, for people."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _why(one: Served) -> str:
    return f": {one.why}" if one.why else ""
