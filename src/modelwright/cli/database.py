"""`modelwright database`: take the state of a file into PostgreSQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Take the state of a file into PostgreSQL.", no_args_is_help=True)


@app.callback()
def verbs() -> None:
    """Take the state of a file into PostgreSQL."""


@app.command("import")
def import_(
    source: Annotated[
        Path | None, typer.Argument(help="By default .modelwright/modelwright.db.", metavar="FILE")
    ] = None,
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest.")] = Path("modelwright.yaml"),
    env: Annotated[
        str | None, typer.Option("--env", help="Environment: development, test or production.", metavar="NAME")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for programs.")] = False,
) -> None:
    """Copy keys, ledger, weights, prompts and tasks of a file into the manifest's PostgreSQL, while nothing runs."""
    from modelwright.app.moving.database import import_file
    from modelwright.app.settings.settings import chosen_environment, process_environment

    environment = chosen_environment(env, process_environment())
    copied = import_file(file, environment=environment, source=source)
    if as_json:
        print(json.dumps(copied, indent=2))
        return
    for table, count in copied.items():
        print(f"{table}: {count} rows")
