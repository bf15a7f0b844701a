"""`modelwright status`: what runs, since when and how busy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from modelwright.core.status import PartStatus, SecretStatus, Status

STYLES = {"ready": "green", "broken": "bold red", "off": "dim", "stopped": "dim"}
"""Colours of states; the others are yellow: something is going on."""
COLUMNS = ("part", "state", "for", "pid", "restarts", "calls", "in flight", "errors", "memory", "detail")
WIDE = 240
"""Columns of a table that goes into a file: nothing is cut."""
NARROW = 110
"""A terminal below this has no room for all columns."""


def status(
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="The manifest.")] = Path("modelwright.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print facts for programs.")] = False,
) -> None:
    """Tell what runs, since when and how busy it is; exit status 8 when nothing runs."""
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
    """A terminal as it is; anything else gets `wide` columns."""
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=wide)


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

    left_out = {"pid", "restarts", "detail"} if width < NARROW else set[str]()
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in COLUMNS:
        if name not in left_out:
            left = name in {"part", "state", "detail"}
            grid.add_column(name, justify="left" if left else "right", no_wrap=name != "detail", overflow="fold")
    for part in found.parts:
        cells = dict(zip(COLUMNS, _cells(part, now), strict=True))
        state = Text(part.state, style=STYLES.get(part.state, "yellow"))
        grid.add_row(*(state if name == "state" else cells[name] for name in COLUMNS if name not in left_out))
    if "detail" not in left_out:
        return grid
    return Group(grid, *(Text(f"{part.name}: {said}") for part in found.parts if (said := detail(part))))


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
