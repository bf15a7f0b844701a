"""`modelwright deploy`: makes an environment what the manifest says, or leaves it as it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelwright.cli.deploys import MANIFEST, AtOnce, Canary, Env, File, Json, Why, Yes, agreed, facts, run, show

if TYPE_CHECKING:
    from modelwright.app.deploying.journeys import Journeys
    from modelwright.core.deploying.steps import Plan


def deploy(
    *,
    file: File = MANIFEST,
    env: Env = None,
    kept: Annotated[
        Path | None, typer.Option("--plan", metavar="FILE", help="Carry out exactly this plan, or nothing.")
    ] = None,
    canary: Canary = "",
    at_once: AtOnce = False,
    why: Why = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Show the plan and carry it out: start new, prove it, move traffic, let the old drain and go.

    What served before serves until the new has proven itself, and again when anything fails. What another deploy has
    left half done is ended first.
    """

    async def journey(journeys: Journeys) -> Plan | None:
        await journeys.settle()
        plan = _read(kept) if kept is not None else await journeys.plan(exact=True)
        if not as_json:
            show(plan)
        if not agreed(plan, yes=yes or kept is not None):
            return None
        await journeys.deploy(plan)
        return plan

    done = run(journey, file=file, env=env, why=why, canary=canary, at_once=at_once, quiet=as_json)
    if as_json and done is not None:
        facts({"release": done.release, "steps": len(done.steps)})
    elif done is not None and done.steps:
        print(_outcome(done))


def _outcome(plan: Plan) -> str:
    from modelwright.core.deploying.steps import Record
    from modelwright.core.deploying.trials import ALL

    share = next((step.share for step in reversed(plan.steps) if isinstance(step, Record)), ALL)
    if share == ALL:
        return f"{plan.release} is deployed"
    return f"{plan.release} is on trial with {share} %: modelwright promote, or abort"


def _read(path: Path) -> Plan:
    import msgspec

    from modelwright.core.deploying.steps import Plan

    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} holds no plan: {error}", param_hint="--plan") from None
