"""`modelwright plan`: what a deploy would do, before it does anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from modelwright.cli.deploys import MANIFEST, AtOnce, Canary, Env, File, Json, facts, run, show

if TYPE_CHECKING:
    from modelwright.app.deploying.journeys import Journeys
    from modelwright.core.deploying.steps import Plan


def plan(
    *,
    file: File = MANIFEST,
    env: Env = None,
    canary: Canary = "",
    at_once: AtOnce = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep it, for `modelwright deploy --plan FILE`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what would be created, changed, moved in traffic and removed; images that have changed are built."""

    async def journey(journeys: Journeys) -> Plan:
        return await journeys.plan(exact=out is not None)

    found = run(journey, file=file, env=env, canary=canary, at_once=at_once, quiet=as_json)
    if out is not None:
        import msgspec

        from modelwright.app.whole_file import write_whole

        write_whole(out, msgspec.json.format(msgspec.json.encode(found), indent=2))
    if as_json:
        facts(found)
    else:
        show(found)
