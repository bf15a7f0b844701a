"""`modelwright resume`, `abort` and `promote`: what becomes of a deploy that has not ended, or of a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelwright.cli.deploys import MANIFEST, Env, File, Json, Why, facts, run

if TYPE_CHECKING:
    from modelwright.app.deploying.journeys import Journeys


def resume(*, file: File = MANIFEST, env: Env = None, why: Why = "", as_json: Json = False) -> None:
    """Go on with a deploy that was cut off, from this machine or another one."""

    async def journey(journeys: Journeys) -> None:
        await journeys.resume()

    run(journey, file=file, env=env, why=why, quiet=as_json)
    _tell("resumed", "", as_json=as_json)


def abort(*, file: File = MANIFEST, env: Env = None, why: Why = "", as_json: Json = False) -> None:
    """Undo a deploy that has not ended, or finish it when it is too late for that; or end a trial."""

    async def journey(journeys: Journeys) -> str:
        return await journeys.abort()

    current = run(journey, file=file, env=env, why=why, quiet=as_json)
    _tell("aborted", current, as_json=as_json)


def promote(*, file: File = MANIFEST, env: Env = None, why: Why = "", as_json: Json = False) -> None:
    """Give all traffic to the release that is on trial."""

    async def journey(journeys: Journeys) -> str:
        return await journeys.promote()

    current = run(journey, file=file, env=env, why=why, quiet=as_json)
    _tell("promoted", current, as_json=as_json)


def _tell(what: str, serves: str, *, as_json: bool) -> None:
    if as_json:
        facts({"done": what, "serves": serves})
    else:
        print(f"{serves} serves" if serves else "nothing serves" if what == "aborted" else what)
