"""How `modelwright up` speaks: live lines on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from modelwright.cli.status import STYLES, duration
from modelwright.core.contracts.events import PartChanged
from modelwright.core.status import PartStatus, Status
from modelwright.core.words.printable import in_json, one_line, visible

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

QUIET = ("starting", "draining", "stopped")
"""States that are not told once everything has settled."""


class Plain:
    """`part state detail`, one line per change of state, then what to do."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last: dict[str, str] = {}

    def changed(self, part: PartStatus) -> None:
        """A line, when the state is another one."""
        if self._last.get(part.name) != part.state:
            self._last[part.name] = part.state
            self._write(f"{part.name} {part.state} {part.detail}".rstrip())

    def settled(self, status: Status, lines: Sequence[str]) -> None:
        """The same words as on a terminal."""
        self._write("\n".join(banner(status, lines)))

    def said(self, line: str) -> None:
        """The line."""
        self._write(line)

    def close(self) -> None:
        """Nothing is held back."""

    def _write(self, text: str) -> None:
        write_line(self._out, visible(text))


class JsonLines:
    """One JSON object per line: `part_changed` events, and the whole status once everything has settled."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def changed(self, part: PartStatus) -> None:
        """The event of the catalogue."""
        event = PartChanged(
            at=part.since or time.time(), part=part.name, state=part.state, pid=part.pid, detail=part.detail
        )
        self._write(msgspec.json.encode(event))

    def settled(self, status: Status, lines: Sequence[str]) -> None:
        """The status, as `modelwright status --json` prints it, and the commands."""
        facts: dict[str, Any] = {**msgspec.to_builtins(status), "commands": list(lines)}
        self._write(msgspec.json.encode(facts))

    def said(self, line: str) -> None:
        """As an object, so that every line is one."""
        self._write(msgspec.json.encode({"note": line}))

    def close(self) -> None:
        """Nothing is held back."""

    def _write(self, encoded: bytes) -> None:
        write_line(self._out, in_json(encoded.decode()))


class Terminal:
    """A live line per part while starting, then a calm table and the commands; later a line per death or return."""

    def __init__(self, *, logs: str) -> None:
        """`logs` is where the workers write."""
        self._logs = logs
        self._began = time.time()
        self._parts: dict[str, PartStatus] = {}
        self._live: Live | None = None
        self._console: Console | None = None
        self._settled = False

    def changed(self, part: PartStatus) -> None:
        """Nothing is drawn before every process was made: drawing costs time that they need."""
        before = self._parts.get(part.name)
        self._parts[part.name] = part
        if self._settled:
            if (before is None or before.state != part.state) and part.state not in QUIET:
                clock = time.strftime("%H:%M:%S")
                self._print(f"{clock}  {part.name} {part.state}{f': {part.detail}' if part.detail else ''}")
        elif self._live is not None:
            self._live.refresh()
        elif all(one.pid or one.state != "starting" for one in self._parts.values()):
            self._draw()

    def settled(self, status: Status, lines: Sequence[str]) -> None:
        """The last drawing stays; the commands follow, never wrapped, so that they can be pasted."""
        self._settled = True
        self.close()
        self._print("\n".join(["", *banner(status, lines), f"Logs are in {self._logs}; Ctrl-C stops.", ""]))

    def said(self, line: str) -> None:
        """Above the live lines, while there are any."""
        self._print(line)

    def close(self) -> None:
        """Leave the terminal as it was found."""
        if self._live is not None:
            with suppress(OSError):  # the terminal may be gone
                self._live.stop()
            self._live = None

    def _draw(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(highlight=False)
        self._live = Live(console=self._console, get_renderable=self._picture, refresh_per_second=8)
        self._live.start()

    def _print(self, text: str) -> None:
        text = visible(text)
        if self._console is None:
            print(text, flush=True)
        else:
            self._console.print(text, soft_wrap=True, markup=False, highlight=False)

    def _picture(self) -> RenderableType:
        return picture(self._parts.values(), seconds=time.time() - self._began)


_MARKS = {"ready": "✓", "broken": "✗", "off": "–", "stopped": "–"}


def picture(parts: Iterable[PartStatus], *, seconds: float) -> RenderableType:
    """A row for each part; where there is no room, details are cut. `seconds` is how long it has taken so far."""
    from rich.spinner import Spinner
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(3):
        grid.add_column(no_wrap=True)
    grid.add_column()  # the only one that may give way to the others
    for part in parts:
        style = STYLES.get(part.state, "yellow")
        busy = part.state in {"starting", "draining"}
        mark = Spinner("dots", style=style) if busy else Text(_MARKS.get(part.state, "…"), style=style)
        took = f"{duration(seconds)}  " if busy else ""
        told = Text(f"{took}{one_line(part.detail)}", style="dim", no_wrap=True, overflow="ellipsis")
        grid.add_row(mark, part.name, Text(part.state, style=style), told)
    return grid


def write_line(out: TextIO, text: str) -> None:
    """Write at once; when nobody reads any more, what follows goes nowhere, also at the end of the process."""
    try:
        out.write(f"{text}\n")
        out.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)


def banner(status: Status, lines: Sequence[str]) -> list[str]:
    """What runs where, what does not, and what to paste."""
    wrong = [part for part in status.parts if part.state not in {"ready", "off"}]
    head = "is ready" if not wrong else "runs, but not all of it"
    return [
        f"{status.name} {head}: {status.public} (admin {status.admin})",
        *(f"  {part.name} is {part.state}: {part.detail}" for part in wrong),
        "",
        *(f"    {line}" for line in lines),
        "",
    ]
