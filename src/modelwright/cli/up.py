"""`modelwright up`: run everything that a manifest names, until Ctrl-C or SIGTERM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MANIFEST = Path("modelwright.yaml")
_STUCK = typer.Option(min=0, max=86400, help="Seconds without an answer after which a process is restarted; 0 never.")


def up(
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest.")] = MANIFEST,
    env: Annotated[
        str | None, typer.Option(help="Environment: development, test or production.", metavar="NAME")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Public port instead of the manifest's; 0 picks a free one.")
    ] = None,
    admin_port: Annotated[int | None, typer.Option(min=0, max=65535, help="Likewise for the admin port.")] = None,
    grace: Annotated[float, typer.Option(min=0, max=86400, help="Seconds that running calls may take to end.")] = 30.0,
    stuck: Annotated[float, _STUCK] = 30.0,
    watch: Annotated[bool, typer.Option(help="Apply changes of the manifest and its secrets while it runs.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print facts for programs, one JSON object per line.")
    ] = False,
) -> None:
    """Run everything that the manifest names, restart what dies, and drain on Ctrl-C or SIGTERM.

    A model that cannot be loaded is left out while the others serve; only when nothing can be served, the start ends,
    with status 6. After a drain the status is 0, or 1 when a process had to be killed.
    """
    import sys
    from contextlib import closing
    from importlib.metadata import version

    from modelwright.app.settings.settings import chosen_environment, process_environment
    from modelwright.app.supervise.look import state_of
    from modelwright.app.supervise.up import Wish, bring_up
    from modelwright.app.supervise.welcome.commands import Place, program_name, seen_from
    from modelwright.cli.up_view import JsonLines, Plain, Terminal

    folder = Path.cwd()
    live = not as_json and sys.stdout.isatty()
    logs = seen_from(state_of(file) / "logs", folder)
    view = Terminal(logs=logs) if live else JsonLines(sys.stdout) if as_json else Plain(sys.stdout)
    named = "" if file == MANIFEST else str(file)
    wish = Wish(
        manifest=file,
        environment=chosen_environment(env, process_environment()),
        port=port,
        admin_port=admin_port,
        grace=grace,
        stuck=stuck,
        watch=watch,
        to_files=live,
        version=version("modelwright"),
        place=Place(folder=folder, program=program_name(sys.argv[0], folder), manifest=named),
    )
    with closing(view):
        by_itself = bring_up(wish, view)
    if not by_itself:
        raise typer.Exit(1)
