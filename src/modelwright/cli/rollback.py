"""`modelwright rollback`: back to a release that is still there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from modelwright.cli.deploys import MANIFEST, Env, File, Json, Why, Yes, agreed, facts, run, show

if TYPE_CHECKING:
    from modelwright.app.deploying.journeys import Journeys
    from modelwright.core.deploying.steps import Plan


def rollback(
    release: Annotated[
        str, typer.Argument(metavar="RELEASE", help="By default the one that served before this one.")
    ] = "",
    *,
    file: File = MANIFEST,
    env: Env = None,
    why: Why = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Go back to an earlier release; refused before anything is touched when something of it is missing."""

    async def journey(journeys: Journeys) -> Plan | None:
        await journeys.end()
        plan = await journeys.back(release)
        if not as_json:
            show(plan)
        if not agreed(plan, yes=yes):
            return None
        await journeys.roll_back(plan)
        return plan

    done = run(journey, file=file, env=env, why=why, quiet=as_json)
    if as_json and done is not None:
        facts({"release": done.release, "steps": len(done.steps)})
    elif done is not None and done.steps:
        print(f"{done.release} serves again")
