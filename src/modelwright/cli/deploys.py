"""What the verbs on an environment have in common: options, who asks, and how they are told what goes on."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeAlias, TypeVar

import typer

from modelwright.cli.changes import who_asks

if TYPE_CHECKING:
    from modelwright.app.deploying.journeys import Journeys
    from modelwright.app.deploying.supplies import Describe, Described
    from modelwright.core.deploying.journal import Entry
    from modelwright.core.deploying.steps import Plan
    from modelwright.core.errors.deploying import LeaseHeld

MANIFEST = Path("modelwright.yaml")
INTERRUPTED = 130

File = Annotated[Path, typer.Option("--file", "-f", help="The manifest.")]
Env = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Environment: development, test or production; by default MODELWRIGHT_ENV."),
]
Json = Annotated[bool, typer.Option("--json", help="Print facts for programs.")]
Why = Annotated[str, typer.Option(help="Why, in one line: it stands in the history.")]
Canary = Annotated[
    str, typer.Option(metavar="SHARE", help="Let it stay beside the present release with this much, such as 10%.")
]
AtOnce = Annotated[bool, typer.Option("--at-once", help="Give it all traffic in one step, unwatched.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

Result = TypeVar("Result")
Journey: TypeAlias = "Callable[[Journeys], Awaitable[Result]]"


class How(NamedTuple):
    """What options say of a deploy."""

    why: str = ""
    canary: str = ""
    at_once: bool = False


def run(journey: Journey[Result], *, file: Path, env: str | None, quiet: bool = False, **how: Any) -> Result:
    """Connect to the environment's target and do it; Ctrl-C leaves what `resume` or `abort` can handle, and says so.

    `how`: `why`, `canary` and `at_once`, as the options say.
    """
    import asyncio

    from modelwright.core.errors.tree import ModelwrightError

    view = View(quiet=quiet)
    try:
        return asyncio.run(_with(journey, view, file=file, env=env, how=How(**how)))
    except KeyboardInterrupt:
        raise typer.Exit(view.interrupted()) from None
    except ModelwrightError:
        view.cut_off()
        raise


async def _with(journey: Journey[Result], view: View, *, file: Path, env: str | None, how: How) -> Result:
    import platform

    from modelwright.app.deploying.journeys import Journeys
    from modelwright.app.deploying.reach import rates_of, reach_of, site_of
    from modelwright.app.deploying.rises import wanted_rise
    from modelwright.app.deploying.supplies import Supplies
    from modelwright.app.system import SystemClock
    from modelwright.deploy.carrying import Author

    site = site_of(file, environment=env)
    rise = wanted_rise(site.rise, canary=how.canary, at_once=how.at_once)
    supplies = Supplies(_described(file, environment=site.environment, told=view.say))
    author = Author(who=who_asks(), where=platform.node(), why=how.why)
    async with reach_of(site)(site, supplies) as reached:
        journeys = Journeys(
            reached, supplies, author, rise=rise, clock=SystemClock(), tell=view.hear, rates=rates_of(site.target)
        )
        return await journey(journeys)


def _described(file: Path, *, environment: str, told: Callable[[str], None]) -> Describe:
    """What builds images is imported when something is to be described: going back and looking need none of it."""
    known: list[Describe] = []

    async def describe(salt: str) -> Described:
        from modelwright.app.deploying.describing import from_manifest

        if not known:
            known.append(from_manifest(file, environment=environment, told=told))
        return await known[0](salt)

    return describe


class View:
    """Progress on stderr: a line for each step that is done, and at a terminal what is being done meanwhile."""

    def __init__(self, *, quiet: bool = False) -> None:
        from modelwright.deploy.telling import Told

        self._told = Told()
        self._quiet = quiet
        self._live = sys.stderr.isatty() and not quiet
        self._doing = ""
        self._open = False

    def say(self, line: str) -> None:
        """Something that happens beside the steps."""
        if not self._quiet:
            self._write(line)

    def hear(self, entry: Entry | LeaseHeld) -> None:
        """An entry of the journal, or somebody's lease that has to be waited for."""
        from modelwright.core.deploying.journal import Ended
        from modelwright.core.errors.deploying import LeaseHeld

        if isinstance(entry, LeaseHeld):
            self.say(f"waiting: {entry.message}")
            return
        line, doing = self._told.line(entry), self._told.doing(entry)
        self._open = not isinstance(entry, Ended)
        if line:
            self.say(line)
        self._doing = doing or ("" if line else self._doing)
        if self._live and doing:
            sys.stderr.write(f"\r\x1b[K{_visible(doing)} …")
            sys.stderr.flush()

    def interrupted(self) -> int:
        """Say where it stands; the exit status."""
        if not self.cut_off():
            self._write("stopped")
        return INTERRUPTED

    def cut_off(self) -> bool:
        """Say in which step it was left, and what can be done about it; whether anything was begun."""
        if self._open:
            where = f"at {self._doing}" if self._doing else "between two steps"
            self._write(f"stopped {where}: go on with `modelwright resume`, or back with `modelwright abort`")
        return self._open

    def _write(self, line: str) -> None:
        clear = "\r\x1b[K" if self._live else ""
        print(f"{clear}{_visible(line)}", file=sys.stderr)


def show(plan: Plan) -> None:
    """The plan, for people."""
    from modelwright.deploy.telling import plan_lines

    for line in plan_lines(plan):
        print(_visible(line))


def agreed(plan: Plan, *, yes: bool) -> bool:
    """Whether to go on: who can be asked is asked."""
    if yes or not plan.steps:
        return True
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            "nobody can be asked here: pass it when the plan may be carried out", param_hint="--yes"
        )
    return typer.confirm("Carry it out?", err=True)


def facts(found: Any) -> None:
    """As JSON, for programs."""
    from modelwright.cli.versions import print_facts

    print_facts(found)


def _visible(text: str) -> str:
    from modelwright.core.words.printable import one_line

    return one_line(text)
