"""`modelwright tasks`: calls that were left to be made later, whoever has left them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from modelwright.app.tasks.office import TaskOffice

File = Annotated[Path, typer.Option("--file", "-f", help="The manifest.")]
Json = Annotated[bool, typer.Option("--json", help="Print facts for programs.")]
Task = Annotated[str, typer.Argument(help="Id of the task.", metavar="TASK")]

MANIFEST = Path("modelwright.yaml")
COLUMNS = ("task", "status", "url", "endpoint", "attempts", "created", "error")

app = typer.Typer(help="List, show and cancel tasks, whoever has left them.", no_args_is_help=True)


@app.command("list")
def list_tasks(
    *,
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those that are so, such as failed.")] = None,
    after: Annotated[str | None, typer.Option(help="The last task of the page before.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Tasks of one page.")] = 20,
    file: File = MANIFEST,
    as_json: Json = False,
) -> None:
    """Tell of the newest tasks."""
    from datetime import UTC, datetime

    import msgspec
    from rich.table import Table

    from modelwright.cli.status import WIDE, console_for

    found = _office(file).list(tenant=tenant, status=status, after=after, most=limit)
    if as_json:
        print(msgspec.json.format(found, indent=2).decode())
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in COLUMNS:
        table.add_column(name, no_wrap=True)
    for task in msgspec.json.decode(found)["data"]:
        created = datetime.fromtimestamp(task["created_at"], UTC).strftime("%Y-%m-%d %H:%M:%S")
        error = (task["error"] or {}).get("code", "")
        table.add_row(task["id"], task["status"], task["url"], task["endpoint"], str(task["attempts"]), created, error)
    console_for(WIDE).print(table)


@app.command()
def show(task: Task, *, file: File = MANIFEST) -> None:
    """Print a task with its answer, as JSON."""
    _print(_office(file).show(task))


@app.command()
def cancel(task: Task, *, file: File = MANIFEST) -> None:
    """Do not run a task, or not to its end; print what it is then. One that has ended stays as it is."""
    _print(_office(file).cancel(task))


def _office(file: Path) -> TaskOffice:
    from modelwright.app.supervise.look import state_of
    from modelwright.app.tasks.office import TaskOffice

    return TaskOffice(state_of(file))


def _print(found: bytes) -> None:
    import msgspec

    print(msgspec.json.format(found, indent=2).decode())
