"""What the verbs on versions have in common, be they of models or of prompts: options, lists, histories, facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from modelwright.core.ports.registry import Entry

MANIFEST = Path("modelwright.yaml")

File = Annotated[Path, typer.Option("--file", "-f", help="The manifest.")]
Json = Annotated[bool, typer.Option("--json", help="Print facts for programs.")]
Why = Annotated[str, typer.Option(help="Why, in one line: it stands in the history.")]
Named = Annotated[str, typer.Argument(help="What it shall be called, such as v3.", metavar="VERSION")]
Alias = Annotated[str, typer.Argument(help="The alias.", metavar="ALIAS")]
Meant = Annotated[str, typer.Argument(help="What it shall mean.", metavar="VERSION")]
Expected = Annotated[
    str | None, typer.Option(help="Move it only if it means this version until now; empty: if it is new.")
]


def print_facts(found: Any) -> None:
    """As JSON, for programs."""
    import msgspec

    from modelwright.core.words.printable import in_json

    print(in_json(msgspec.json.format(msgspec.json.encode(found), indent=2).decode()))


def say(text: str) -> None:
    """Words that others may have written."""
    from modelwright.core.words.printable import visible

    print(visible(text))


def print_line(name: str, versions: Iterable[str], aliases: Mapping[str, str]) -> None:
    """One model or prompt with all that means a version of it."""
    told = ", ".join(f"{alias} is {version}" for alias, version in aliases.items())
    say(f"{name}: {', '.join(versions) or 'no version'}" + (f" ({told})" if told else ""))


def print_history(entries: Iterable[Entry]) -> None:
    """A line for each entry."""
    from datetime import UTC, datetime

    for entry in entries:
        at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
        say(f"{at}  {entry.who}  {_done(entry)}: {entry.why}")


def _done(entry: Entry) -> str:
    from modelwright.core.ports.registry import ALIAS, REMOVED

    if entry.act == REMOVED:
        return f"{entry.name} removed"
    if entry.act == ALIAS:
        return f"{entry.name} is {entry.to}" + (f", was {entry.was}" if entry.was else "")
    return f"{entry.name} registered" + (" with other content" if entry.was else "")
