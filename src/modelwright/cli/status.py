"""`modelwright status`: what runs here, since when and how busy; with --env, what is deployed there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console, RenderableType

    from modelwright.core.status import PartStatus, SecretStatus, Status

STYLES = {"ready": "green", "broken": "bold red", "off": "dim", "stopped": "dim"}
"""Colours of states; the others are yellow: something is going on."""
COLUMNS = ("part", "state", "for", "pid", "restarts", "calls", "in flight", "errors", "memory", "detail")
WIDE = 240
"""Columns of a table that goes into a file: nothing is cut."""
_BETWEEN = 2
"""Columns between two of the table's."""
_SPARED = ("detail", "restarts", "pid")
"""What a terminal without room for all of it leaves out; details are told below the table then."""


def status(
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest.")] = Path("modelwright.yaml"),
    env: Annotated[
        str, typer.Option(metavar="NAME", help="What is deployed to this environment's target, instead.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for programs.")] = False,
) -> None:
    """Tell what runs, since when and how busy it is; exit status 8 when nothing runs.

    Of an environment on a target: its release, instances, services and traffic, what is not as the release says, and
    what a deploy of this manifest would change; for that, images that have changed are built.
    """
    if env:
        from modelwright.cli.standing import environment_status

        environment_status(file, env, as_json=as_json)
        return
    import time

    from modelwright.app.supervise.look import look, state_of

    found = look(state_of(file))
    if as_json:
        import msgspec

        from modelwright.core.words.printable import in_json

        print(in_json(msgspec.json.format(msgspec.json.encode(found), indent=2).decode()))
        return
    console = console_for(WIDE)
    console.print(headline(found, time.time()), soft_wrap=True, highlight=False)
    console.print()
    console.print(table(found, now=time.time(), width=console.width))
    if found.secrets:
        console.print()
    for secret in found.secrets:
        console.print(secret_line(secret, time.time()), soft_wrap=True, highlight=False)
    unpriced = sum(part.busy.unpriced for part in found.parts if part.busy is not None)
    if unpriced:
        console.print(f"\nThe cost of {unpriced} calls is not known; see `modelwright prices`.", soft_wrap=True)


def console_for(wide: int) -> Console:
    """A terminal as it is; anything else gets `wide` columns. Words in brackets are no styles."""
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=wide)


def headline(found: Status, now: float) -> str:
    """One line about the whole."""
    ready = "ready" if found.ready else "not all of it is ready"
    up = duration(now - found.since)
    where = f"public {found.public}, admin {found.admin}"
    return f"{found.name} ({found.environment}): {ready}, up {up}, pid {found.pid}, {where}"


def table(found: Status, *, now: float, width: int) -> RenderableType:
    """One row per part; numbers only where the worker told them. A narrow one leaves out what matters least."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows: list[dict[str, str]] = [dict(zip(COLUMNS, _cells(part, now), strict=True)) for part in found.parts]
    shown = _fitting(rows, width)
    grid = Table(box=None, pad_edge=False, padding=(0, _BETWEEN, 0, 0), header_style="dim")
    for name in shown:
        left = name in {"part", "state", "detail"}
        grid.add_column(name, justify="left" if left else "right", no_wrap=True, overflow="fold")
    for row in rows:
        styles = {"state": STYLES.get(row["state"], "yellow")}
        grid.add_row(*(Text(row[name], style=styles.get(name, "")) for name in shown))
    if "detail" in shown:
        return grid
    return Group(grid, *(Text(f"{row['part']}: {row['detail']}") for row in rows if row["detail"]))


def _fitting(rows: Sequence[Mapping[str, str]], width: int) -> list[str]:
    """The columns for which there is room: all, all but details, or those that matter most."""
    from rich.cells import cell_len

    widths = {name: max(cell_len(text) for text in (name, *(row[name] for row in rows))) for name in COLUMNS}
    for spared in (0, 1, len(_SPARED)):
        shown = [name for name in COLUMNS if name not in _SPARED[:spared]]
        if sum(widths[name] + _BETWEEN for name in shown) - _BETWEEN <= width:
            break
    return shown


def duration(seconds: float) -> str:
    """The two largest units: `4 m 12 s`."""
    rest = max(0, int(seconds))
    sizes = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    parts: list[str] = []
    for unit, size in sizes:
        count, rest = divmod(rest, size)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def secret_line(secret: SecretStatus, now: float) -> str:
    """Where a secret comes from and how old that is; never what it is."""
    told = f"secret {secret.name}: {secret.source or 'missing'}"
    if secret.read:
        told += f", read {duration(now - secret.read)} ago, unchanged for {duration(now - secret.since)}"
    return f"{told}; {secret.trouble}" if secret.trouble else told


def detail(part: PartStatus) -> str:
    """What it serves or why it does not, what it has of the machine, and which providers it leaves alone."""
    from modelwright.core.words.printable import one_line

    alone = part.busy.left_alone if part.busy is not None else ()
    told = f"leaves {', '.join(alone)} alone, which failed too often" if alone else ""
    given = part.given.told if part.given is not None else ""
    return one_line("; ".join(text for text in (part.detail, given, told) if text))


def _cells(part: PartStatus, now: float) -> list[str]:
    since = duration(now - part.since) if part.since else ""
    pid = str(part.pid) if part.pid else ""
    restarts = str(part.restarts) if part.kind != "provider" else ""
    numbers = [""] * 4
    if part.busy is not None:
        busy = part.busy
        numbers = [str(busy.calls), str(busy.in_flight), str(busy.errors), f"{busy.memory_mb:.0f} MB"]
    return [part.name, part.state, since, pid, restarts, *numbers, detail(part)]
